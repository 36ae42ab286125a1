#include "tests/simulation/schedule.hpp"

#include <algorithm>
#include <sstream>

#include "tests/simulation/trials.hpp"

namespace agent_branch::simulation {
namespace {

constexpr const char *kIncidentNames[Incident::kAllKinds] = {
    "crash",          "server crash", "key revoked",    "key unreadable", "scope lost",
    "clock jump",     "limit",        "foreign branch", "foreign delete", "foreign child",
    "protect",        "drift",        "reap",           "reload",         "protect parent",
    "rows in parent", "rename",       "annotate",       "register",       "take over"};
constexpr const char *kTroubleNames[LastingTrouble::kKinds] = {
    "key refused",           "forbidden",    "operations stuck", "deletions fail",
    "databases unreachable", "endless lists"};
constexpr const char *kEndNames[] = {"merge", "discard", "abandon"};

struct Knob {
  const char *name;
  double Faults::*value;
  double most;  // the highest probability that still lets something get done
};

constexpr Knob kKnobs[] = {{"not_sent", &Faults::not_sent, 0.1},
                           {"request_lost", &Faults::request_lost, 0.1},
                           {"answer_lost", &Faults::answer_lost, 0.2},
                           {"arrives_late", &Faults::arrives_late, 0.1},
                           {"sent_twice", &Faults::sent_twice, 0.1},
                           {"busy", &Faults::busy, 0.3},
                           {"throttled", &Faults::throttled, 0.1},
                           {"unavailable", &Faults::unavailable, 0.2},
                           {"broken", &Faults::broken, 0.2},
                           {"garbled", &Faults::garbled, 0.1},
                           {"slow", &Faults::slow, 0.2},
                           {"key_unreadable", &Faults::key_unreadable, 0.1},
                           {"wrong", &Faults::wrong, 0},  // drawn by a trial of its own
                           {"operation_fails", &Faults::operation_fails, 0.1},
                           {"check_runs", &Faults::check_runs, 0.1},
                           {"no_connection", &Faults::no_connection, 0.2},
                           {"connection_lost", &Faults::connection_lost, 0.3},
                           {"commit_lost", &Faults::commit_lost, 0.3},
                           {"commit_fails", &Faults::commit_fails, 0.1},
                           {"read_fails", &Faults::read_fails, 0.1},
                           {"crash_before_commit", &Faults::crash_before_commit, 0.05},
                           {"crash_after_commit", &Faults::crash_after_commit, 0.05},
                           {"crash_after_sending", &Faults::crash_after_sending, 0.05},
                           {"crash_after_effect", &Faults::crash_after_effect, 0.2}};

void DrawFaults(Chance &chance, Schedule &schedule) {
  // Some schedules have one kind of fault, so that it is seen by itself; some have most of them.
  static constexpr double kShares[] = {0.05, 0.15, 0.3, 0.7};
  double share = kShares[chance.Between(0, 3)];
  for (const Knob &knob : kKnobs) {
    if (knob.most > 0 && chance.Happens(share))
      schedule.faults.*knob.value = knob.most * chance.Next();
  }
  schedule.crashes_at_most = static_cast<int>(chance.Between(1, 8));
  schedule.neon.operation_fails = schedule.faults.operation_fails;
  // A change is counted when it is admitted, and goes when its step is committed.
  if (schedule.settings.rate_limit_burst < 40) {
    schedule.faults.commit_fails = 0;
    schedule.faults.read_fails = 0;
  }
}

void DrawProjects(Chance &chance, Schedule &schedule) {
  auto count = chance.Happens(0.6) ? 1 : chance.Between(2, 3);
  for (int64_t n = 0; n < count; ++n) {
    ProjectPlan project;
    project.max_parallel = static_cast<int>(chance.Between(1, 5));
    static constexpr int64_t kWindows[] = {0, 0, 60, 3'600};
    project.undo_window = kWindows[chance.Between(0, 3)];
    if (chance.Happens(0.15)) project.max_pinned = static_cast<int>(chance.Between(1, 3));
    project.bare_only = chance.Happens(0.15);
    static constexpr int kPages[] = {1, 2, 5, 100};
    project.page_size = kPages[chance.Between(0, 3)];
    project.next_on_last_page = chance.Happens(0.5);
    project.tells_uris = chance.Happens(0.6);
    if (chance.Happens(0.2)) project.operations_listed = 4;
    if (chance.Happens(0.2)) project.operations_lag = chance.Delay(0, 1'000);
    if (chance.Happens(0.1)) project.operations_known = chance.Delay(0, 2'000);
    schedule.projects.push_back(project);
  }
}

// So that several merges of data alone fall within one second.
void Hurry(Chance &chance, UserPlan &user) {
  user.begins = chance.Delay(0, 2'000);
  user.pace = chance.Delay(1, 30);
  user.writes = 1;
  if (chance.Happens(0.7)) user.migrations.clear();
  if (chance.Happens(0.7)) user.end = UserPlan::End::kMerge;
}

std::string DrawStatement(Chance &chance) {
  std::string statement = chance.Happens(0.2)   ? "INDEX # t"
                          : chance.Happens(0.1) ? "VACUUM #"
                          : chance.Happens(0.1) ? "VALUE #"
                          : chance.Happens(0.1) ? "DROP # t"
                          : chance.Happens(0.1) ? "SET #"
                                                : "RUN #";
  if (chance.Happens(0.08)) return statement + " fails";
  bool alone = statement[0] == 'I' || statement == "VACUUM #";
  return !alone && chance.Happens(0.1) ? statement + " writes nothing" : statement;
}

// Half of them are one statement, as most of them are.
std::string DrawMigration(Chance &chance) {
  std::string migration = DrawStatement(chance);
  for (int64_t n = chance.Happens(0.5) ? 0 : chance.Between(1, 5); n > 0; --n)
    migration += "; " + DrawStatement(chance);
  return migration;
}

UserPlan DrawUser(Chance &chance, const Schedule &schedule) {
  UserPlan user;
  user.project =
      static_cast<int>(chance.Between(0, static_cast<int64_t>(schedule.projects.size()) - 1));
  user.name = std::string(1, static_cast<char>('a' + chance.Between(0, 3)));
  user.begins = chance.Delay(0, chance.Happens(0.5) ? 3'000 : 120'000);
  user.pace = chance.Happens(0.5) ? chance.Delay(1, 500) : chance.Delay(500, 20'000);
  user.patient = chance.Happens(0.6);
  static constexpr int64_t kTtls[] = {70, 300, 3'600, 86'400};
  user.ttl = kTtls[chance.Between(0, 3)];
  for (int64_t n = chance.Between(0, 3); n > 0; --n) {
    user.migrations.push_back(DrawMigration(chance));
  }
  user.writes = static_cast<int>(chance.Between(0, 2));
  user.extends = chance.Happens(0.2);
  user.end = chance.Happens(0.6)   ? UserPlan::End::kMerge
             : chance.Happens(0.6) ? UserPlan::End::kDiscard
                                   : UserPlan::End::kAbandon;
  if (schedule.neon.pace < 1) Hurry(chance, user);
  return user;
}

void DrawIncidents(Chance &chance, Schedule &schedule) {
  if (chance.Happens(0.3)) return;
  for (int64_t n = chance.Between(1, 5); n > 0; --n) {
    Incident incident;
    incident.kind = static_cast<Incident::Kind>(chance.Between(0, Incident::kKinds - 1));
    incident.when = chance.Delay(0, schedule.faults_end.count());
    incident.lasts =
        chance.Happens(0.7) ? chance.Delay(100, 60'000) : chance.Delay(60'000, 7'200'000);
    incident.lasts = std::min(incident.lasts, schedule.faults_end - incident.when);
    incident.amount = chance.Between(-20'000, 100'000);
    incident.project =
        static_cast<int>(chance.Between(0, static_cast<int64_t>(schedule.projects.size()) - 1));
    schedule.incidents.push_back(incident);
  }
}

void AddIncident(Chance &chance, Schedule &schedule, Incident::Kind kind) {
  Incident incident;
  incident.kind = kind;
  incident.when = chance.Delay(0, schedule.faults_end.count());
  incident.amount = chance.Between(0, 100'000);
  incident.project =
      static_cast<int>(chance.Between(0, static_cast<int64_t>(schedule.projects.size()) - 1));
  schedule.incidents.push_back(incident);
}

void DrawTrouble(Chance &chance, Schedule &schedule) {
  if (schedule.projects.size() < 2 || !chance.Happens(0.4)) return;
  LastingTrouble trouble;
  trouble.kind = static_cast<LastingTrouble::Kind>(chance.Between(0, LastingTrouble::kKinds - 1));
  trouble.project =
      static_cast<int>(chance.Between(0, static_cast<int64_t>(schedule.projects.size()) - 1));
  trouble.begins = chance.Delay(0, schedule.faults_end.count());
  schedule.trouble = trouble;
}

// From a stream of its own, so that a seed draws the same rest whichever trials are on.
void DrawTrials(Chance &chance, Schedule &schedule) {
  auto add = [&](Trial trial, double probability, std::initializer_list<Incident::Kind> kinds) {
    for (Incident::Kind kind : kinds) {
      bool happens = chance.Happens(probability);
      if (happens && IsOn(trial)) AddIncident(chance, schedule, kind);
    }
  };
  add(Trial::kForeignWrites, 0.15, {Incident::Kind::kRowsInParent, Incident::Kind::kDrift});
  add(Trial::kTakenBranches, 0.1, {Incident::Kind::kRename, Incident::Kind::kAnnotate});
  add(Trial::kRestlessUsers, 0.05, {Incident::Kind::kRegister, Incident::Kind::kTakeOver});
  if (IsOn(Trial::kWrongAnswers) && chance.Happens(0.3))
    schedule.faults.wrong = 0.1 * chance.Next();
  if (IsOn(Trial::kLastingTrouble)) DrawTrouble(chance, schedule);
  bool alike = schedule.projects.size() > 1 && !schedule.trouble && chance.Happens(0.5);
  schedule.shares_key = IsOn(Trial::kSharedKey) && alike;
  if (!IsOn(Trial::kRestlessUsers)) return;
  for (UserPlan &user : schedule.users)
    user.restless = chance.Happens(0.3);
}

void DrawMerge(Chance &chance, UserPlan &user) {
  user.strategy = chance.Happens(0.5)   ? "auto"
                  : chance.Happens(0.3) ? "replay"
                  : chance.Happens(0.4) ? "candidate"
                                        : "restore";
  user.on_drift = chance.Happens(0.5) ? "rebase" : "fail";
  user.on_unrecorded = chance.Happens(0.3) ? "drop" : "fail";
  user.rebases = chance.Happens(0.3);
}

void DrawRegret(Chance &chance, UserPlan &user) {
  user.undoes = chance.Happens(0.4) && IsOn(Trial::kUndo);
  user.forces = chance.Happens(0.5);
}

}  // namespace

Schedule DrawSchedule(uint64_t seed) {
  Chance chance(seed);
  Schedule schedule;
  schedule.seed = seed;
  schedule.neon.topology = chance.Happens(0.5) ? Topology::kLineage : Topology::kFlat;
  schedule.neon.lock_first = chance.Happens(0.5);
  schedule.neon.gone_is_204 = chance.Happens(0.5);
  schedule.neon.expires = chance.Happens(0.5);
  // Without annotations a sweep cannot tell an orphan; then expires_at has to do.
  schedule.neon.lists_annotations = !schedule.neon.expires || chance.Happens(0.6);
  if (chance.Happens(0.15)) schedule.neon.pace = 0.02;  // several merges in one second
  schedule.settings.api_url = "https://neon.test/api/v2";
  schedule.settings.reap_interval = chance.Happens(0.3) ? chance.Between(60, 3'600) : 0;
  if (chance.Happens(0.2)) {
    schedule.settings.rate_limit_per_minute = static_cast<int>(chance.Between(30, 200));
    schedule.settings.rate_limit_burst = static_cast<int>(chance.Between(1, 10));
  }
  if (seed % 5 == 0) schedule.settings.active_computes = 2 + static_cast<int>(seed / 5 % 5);
  schedule.faults_end =
      chance.Happens(0.7) ? chance.Delay(60'000, 600'000) : chance.Delay(600'000, 10'800'000);
  DrawProjects(chance, schedule);
  for (int64_t n = chance.Between(1, 8); n > 0; --n)
    schedule.users.push_back(DrawUser(chance, schedule));
  DrawFaults(chance, schedule);
  DrawIncidents(chance, schedule);
  Chance malice(seed ^ 0x3C6EF372FE94F82B);
  DrawTrials(malice, schedule);
  Chance ways(seed ^ 0x9D2C5680CA2F1E37);
  for (UserPlan &user : schedule.users)
    DrawMerge(ways, user);
  Chance regrets(seed ^ 0x6A09E667F3BCC908);
  for (UserPlan &user : schedule.users)
    DrawRegret(regrets, user);
  return schedule;
}

Schedule Undisturbed(const Schedule &schedule) {
  Schedule undisturbed = schedule;
  undisturbed.faults = Faults();
  undisturbed.neon.operation_fails = 0;
  undisturbed.incidents.clear();
  undisturbed.trouble.reset();
  undisturbed.crashes_at_most = 0;
  undisturbed.settings.reap_interval = 0;  // sweeps would be most of what is counted
  return undisturbed;
}

std::string Schedule::Describe() const {
  std::ostringstream text;
  text << "seed " << seed << ": topology "
       << (neon.topology == Topology::kLineage ? "lineage" : "flat") << ", "
       << (neon.lock_first ? "locks first" : "locks last") << ", gone is "
       << (neon.gone_is_204 ? 204 : 404) << (neon.expires ? "" : ", nothing expires")
       << (neon.lists_annotations ? "" : ", lists without annotations")
       << (neon.pace < 1 ? ", fast" : "") << ", " << settings.rate_limit_per_minute
       << " requests a minute, " << settings.rate_limit_burst << " at once, "
       << settings.active_computes << " computes, faults end at " << faults_end.count() / 1000
       << " s\n";
  for (const ProjectPlan &project : projects) {
    text << "  project: max_parallel " << project.max_parallel << ", undo_window "
         << project.undo_window << ", max_pinned " << project.max_pinned.value_or(-1)
         << (project.bare_only ? ", bare only" : "") << ", pages of " << project.page_size
         << (project.tells_uris ? "" : ", tells no URIs") << ", lists " << project.operations_listed
         << " operations after " << project.operations_lag.count() << " ms, knows them for "
         << project.operations_known.count() << " ms\n";
  }
  for (const UserPlan &user : users) {
    text << "  user of project " << user.project << ", session " << user.name << ", begins at "
         << user.begins.count() << " ms, pace " << user.pace.count() << " ms"
         << (user.patient ? "" : ", impatient") << ", ttl " << user.ttl << ", migrations";
    for (const std::string &migration : user.migrations)
      text << " [" << migration << "]";
    text << ", writes " << user.writes << (user.extends ? ", extends" : "")
         << (user.restless ? ", restless, " : ", ") << kEndNames[static_cast<int>(user.end)]
         << " by " << user.strategy << " " << user.on_drift << " " << user.on_unrecorded
         << (user.undoes && user.forces ? ", undoes by force"
             : user.undoes              ? ", undoes"
                                        : "")
         << "\n";
  }
  for (const Knob &knob : kKnobs) {
    if (faults.*knob.value > 0) text << "  " << knob.name << " " << faults.*knob.value << "\n";
  }
  for (const Incident &incident : incidents) {
    text << "  at " << incident.when.count()
         << " ms: " << kIncidentNames[static_cast<int>(incident.kind)] << " for "
         << incident.lasts.count() << " ms, amount " << incident.amount << ", project "
         << incident.project << "\n";
  }
  if (trouble) {
    text << "  from " << trouble->begins.count() << " ms: project " << trouble->project << " has "
         << kTroubleNames[static_cast<int>(trouble->kind)] << ", which lasts\n";
  }
  if (shares_key) text << "  one key for all projects\n";
  return text.str();
}

}  // namespace agent_branch::simulation
