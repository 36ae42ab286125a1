// What goes wrong in a run, and how it ends.
#include "tests/simulation/simulation.hpp"
#include "tests/simulation/trials.hpp"

namespace agent_branch::simulation {

// The first project's key is the setting's; the others bring their own, unless all share one.
std::string Simulation::KeyFile(int project) const {
  return project == 0 || schedule_.shares_key ? "" : "key-" + std::to_string(project);
}

void Simulation::Plan(const Incident &incident) {
  agenda_.Put(incident.when, [this, &incident] { Begin(incident); });
}

void Simulation::Begin(const Incident &incident) {
  if (incident.when > schedule_.faults_end) return;
  ModelProject &project = neon_.projects.at("project-" + std::to_string(incident.project));
  std::string file = KeyFile(incident.project);
  auto after = [this, &incident](std::function<void()> what) {
    agenda_.Put(clock_.Now() + incident.lasts, std::move(what));
  };
  neon_.Settle();
  switch (incident.kind) {
    case Incident::Kind::kCrash:
      return Crash(false);
    case Incident::Kind::kServerCrash:
      return Crash(true);
    case Incident::Kind::kKeyRevoked:
      if (schedule_.shares_key) return;
      witness_.Note("the key of " + project.id + " is revoked");
      project.key += "-new";
      return after([this, file, &project] { keys_.files[file] = project.key; });
    case Incident::Kind::kKeyUnreadable:
      witness_.Note("the keys' files cannot be read");
      keys_.readable = false;
      return after([this] { keys_.readable = true; });
    case Incident::Kind::kScopeLost:
      witness_.Note("the key of " + project.id + " loses its scope");
      project.in_scope = false;
      neon_.Forgotten();
      return after([&project] { project.in_scope = true; });
    case Incident::Kind::kClockJump:
      witness_.Note("the clock jumps by " + std::to_string(incident.amount));
      clock_.Skew(incident.amount);
      return after([this] { clock_.Skew(0); });
    case Incident::Kind::kLimit:
      project.branch_limit = static_cast<int>(3 + (incident.amount & 3));
      return after([&project] { project.branch_limit = 1'000; });
    case Incident::Kind::kForeignBranch:
      return users_.MakeForeignBranch(incident.project, incident.amount);
    case Incident::Kind::kForeignDelete:
      return users_.DeleteOneOfOurs(incident.project);
    case Incident::Kind::kForeignChild:
      return users_.MakeForeignChild(incident.project);
    case Incident::Kind::kProtect:
      return users_.Protect(incident.project);
    case Incident::Kind::kDrift:
      return users_.ChangeParent(incident.project);
    case Incident::Kind::kReap:
      store_.AddSweep((incident.amount & 3) == 0);
      return Wake();
    case Incident::Kind::kProtectParent:
      project.FindByName("dev")->is_protected = true;
      harms_.Note(Harm::kParentLocked, project.id);
      return after([&project] { project.FindByName("dev")->is_protected = false; });
    case Incident::Kind::kReload:
      if (engine_) engine_->Reconfigure();
      if (engine_ && !turn_due_) turn_due_ = clock_.Now();
      return;
    default:
      return BeginTrial(incident);
  }
}

void Simulation::BeginTrial(const Incident &incident) {
  switch (incident.kind) {
    case Incident::Kind::kRowsInParent:
      return users_.WriteToParent(incident.project);
    case Incident::Kind::kRename:
      return users_.Rename(incident.project);
    case Incident::Kind::kAnnotate:
      return users_.Annotate(incident.project);
    case Incident::Kind::kRegister:
      return users_.Register(incident.project, static_cast<int>(1 + incident.amount % 5));
    case Incident::Kind::kTakeOver:
      return users_.TakeOver();
    default:
      return;
  }
}

void Simulation::BeginTrouble() {
  const LastingTrouble &trouble = *schedule_.trouble;
  ModelProject &project = neon_.projects.at("project-" + std::to_string(trouble.project));
  neon_.Settle();
  witness_.Note("trouble begins in " + project.id + ", and lasts");
  SetTrouble(project, true);
}

void Simulation::SetTrouble(ModelProject &project, bool on) {
  switch (schedule_.trouble->kind) {
    case LastingTrouble::Kind::kKeyRefused:
      project.key = on ? "nobody's" : "key-new";
      break;
    case LastingTrouble::Kind::kForbidden:
      project.forbidden = on;
      break;
    case LastingTrouble::Kind::kOperationsStuck:
      project.operations_stuck = on;
      if (!on) neon_.Unstick(project);
      break;
    case LastingTrouble::Kind::kDeletionsFail:
      project.deletions_fail = on;
      break;
    case LastingTrouble::Kind::kDatabasesUnreachable:
      project.databases_unreachable = on;
      break;
    case LastingTrouble::Kind::kEndlessLists:
      project.lists_endless = on;
      break;
  }
}

// What lasts goes on while all others are looked at; then it ends as well.
bool Simulation::OutlastTrouble() {
  constexpr milliseconds kLong{4 * 3'600'000};
  constexpr int64_t kMostRequestsAnHour = 120;  // of each session, branch to delete and sweep
  ModelProject &sick = neon_.projects.at("project-" + std::to_string(schedule_.trouble->project));
  Evidence others = TakeEvidence();
  others.sick_projects = {users_.project_ids[static_cast<size_t>(schedule_.trouble->project)]};
  RunUntil(clock_.Now() + kLong);
  JudgeRest(others, witness_);
  if (IsOn(Trial::kDuty)) JudgeDuty(others, witness_);
  // Beyond every expiry and undo_window.
  clock_.AdvanceTo(clock_.Now() + 3 * milliseconds(86'400'000));
  const int64_t before = sick.requests;
  store_.AddSweep(false);
  Wake();
  RunUntil(clock_.Now() + kLong);
  others.now = clock_.UnixTime();
  JudgeEnd(others, witness_);
  const auto concerned = static_cast<int64_t>(sick.branches.size());
  const int64_t allowed = (concerned + 1) * kMostRequestsAnHour * 4;
  if (IsOn(Trial::kBounds) && sick.requests - before > allowed) {
    witness_.Violation(std::to_string(sick.requests - before) +
                       " requests in four hours of a project that is in trouble");
  }
  witness_.Note("what lasted ends");
  SetTrouble(sick, false);
  keys_.files[KeyFile(schedule_.trouble->project)] = sick.key;
  if (engine_) engine_->Reconfigure();
  if (engine_) turn_due_ = clock_.Now();
  return witness_.violations().empty() && RunUntil(clock_.Now() + milliseconds(86'400'000));
}

void Simulation::EndFaults() {
  witness_.Note("faults end, users stop");
  faults_ = Faults();
  neon_.options.operation_fails = 0;
  clock_.Skew(0);
  keys_.readable = true;
  users_.Stop();
  settings_.reap_interval = 0;
  int number = 0;
  for (auto &[id, project] : neon_.projects) {
    bool refused = schedule_.trouble && schedule_.trouble->project == number &&
                   schedule_.trouble->kind == LastingTrouble::Kind::kKeyRefused;
    if (!refused) keys_.files[KeyFile(number)] = project.key;
    project.in_scope = true;
    project.branch_limit = 1'000;
    for (auto &[branch_id, branch] : project.branches)
      branch.is_protected = false;
    ++number;
  }
}

}  // namespace agent_branch::simulation
