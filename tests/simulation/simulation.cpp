#include "tests/simulation/simulation.hpp"

#include <algorithm>
#include <utility>

#include "tests/simulation/invariants.hpp"
#include "tests/simulation/trials.hpp"
#include "worker/core/base/backoff.hpp"

namespace agent_branch::simulation {
namespace {

constexpr milliseconds kDay{86'400'000};
// After the last fault; what is waited for before that grows no further.
constexpr milliseconds kSettledWithin{300'000};
constexpr BackoffPolicy kStoreBackoff{milliseconds(100), milliseconds(10'000)};  // event_loop.cpp

}  // namespace

Result<Secret> ModelKeys::Key(const std::string &file) {
  if (!readable || chance_->Happens(faults_->key_unreadable)) {
    return Status::Error("58030", "could not read the key's file");
  }
  return Secret(files[file]);
}

Simulation::Simulation(const Schedule &schedule, Sabotage *sabotage, bool tracing,
                       std::unordered_set<uint64_t> *states)
    : schedule_(schedule),
      sabotage_(sabotage),
      states_(states),
      witness_(&clock_, tracing),
      chance_(schedule.seed ^ 0x5DEECE66D),
      core_chance_(schedule.seed ^ 0xB5026F5AA),
      faults_(schedule.faults),
      settings_(schedule.settings),
      neon_(&clock_, &chance_, &witness_),
      network_(&clock_, &agenda_, &chance_, &witness_, &neon_, &faults_, schedule.seed),
      branches_(&clock_, &agenda_, &chance_, &witness_, &neon_, &faults_),
      store_(&clock_, &chance_, &witness_, &faults_),
      keys_(&chance_, &faults_),
      store_tap_(&store_, sabotage),
      network_tap_(&network_, sabotage),
      users_(&clock_, &agenda_, &chance_, &neon_, &store_) {
  neon_.options = schedule.neon;
  neon_.active_computes = settings_.active_computes;
  network_.settings = &settings_;
  network_.keeps_count = schedule.shares_key;
  neon_.harms = branches_.harms = &harms_;
  store_.max_age = settings_.max_age;
  Build();
}

void Simulation::Build() {
  network_.deliver = [this](HttpCompletion completion) {
    if (auto again = sabotage_->OnAnswer(completion)) {
      network_.Send(completion.id, std::move(*again));
      return;
    }
    answers_.push_back(std::move(completion));
    if (!turn_due_) turn_due_ = clock_.Now() + chance_.Delay(0, chance_.Happens(0.2) ? 40 : 0);
  };
  branches_.deliver = [this](BranchEvent event) {
    events_.push_back(std::move(event));
    if (!turn_due_) turn_due_ = clock_.Now();
  };
  branches_.place_of = [this](int64_t id) {
    const MigrationRow &row = store_.migrations().at(id);
    return std::make_pair(row.session_id, row.ordinal);
  };
  branches_.session_of = [this](int64_t id) -> const SessionRow & {
    return store_.sessions().at(id);
  };
  network_.after_effect = branches_.after_effect = [this] { PlanCrash(); };
  users_.wake = [this] { Wake(); };
  neon_.is_live = [this](const ModelBranch &branch) {
    const auto &sessions = store_.sessions();
    return std::any_of(sessions.begin(), sessions.end(), [&](const auto &one) {
      const SessionRow &session = one.second;
      return session.branch_id == branch.id && !session.finished && !IsFinal(session.state) &&
             session.state != SessionState::kDiscarding;
    });
  };
  neon_.undo_from = [this](const ModelBranch &backup) { return UndoFrom(backup); };
  neon_.is_needed = [this](const ModelBranch &backup) { return IsNeeded(backup); };
  for (const ProjectPlan &plan : schedule_.projects) {
    std::string number = std::to_string(users_.project_ids.size());
    ModelProject &project =
        neon_.AddProject("project-" + number, schedule_.shares_key ? "key" : "key-" + number);
    project.undo_window = plan.undo_window;
    project.bare_only = plan.bare_only;
    project.page_size = plan.page_size;
    project.next_on_last_page = plan.next_on_last_page;
    project.tells_uris = plan.tells_uris;
    project.operations_listed = plan.operations_listed;
    project.operations_lag = plan.operations_lag;
    project.operations_known = plan.operations_known;
    ProjectRow row;
    row.neon_id = project.id;
    row.parent = "dev";
    row.database = "app";
    row.role = "owner";
    row.api_key_file = KeyFile(static_cast<int>(users_.project_ids.size()));
    row.max_parallel = plan.max_parallel;
    row.undo_window = plan.undo_window;
    row.max_pinned = plan.max_pinned;
    // Every other project, so that no seed means another schedule than it did.
    row.reads_parent = users_.project_ids.size() % 2 == 0;
    if (row.reads_parent) row.isolation = RoleIsolation::kWherePossible;
    keys_.files[row.api_key_file] = project.key;
    users_.project_ids.push_back(store_.AddProject(row));
  }
  users_.Begin(schedule_.users);
  for (const Incident &incident : schedule_.incidents)
    Plan(incident);
  if (schedule_.trouble) agenda_.Put(schedule_.trouble->begins, [this] { BeginTrouble(); });
}

std::optional<ModelNeon::UndoAsked> Simulation::UndoFrom(const ModelBranch &backup) const {
  for (const auto &[id, undo] : store_.undos()) {
    const auto point = store_.undo_points().find(undo.merge_id);
    const bool open = undo.status == "queued" || undo.status == "running";
    if (open && point != store_.undo_points().end() && point->second.backup_branch_id == backup.id)
      return ModelNeon::UndoAsked{store_.sessions().at(undo.session_id).uuid, undo.forced};
  }
  return std::nullopt;
}

bool Simulation::IsNeeded(const ModelBranch &backup) const {
  if (backup.used_up) return false;
  constexpr int64_t kRounding = 2;
  const auto &points = store_.undo_points();
  return std::any_of(points.begin(), points.end(), [&](const auto &one) {
    const UndoPointRow &point = one.second;
    const auto merge = store_.merges().find(point.merge_id);
    return point.backup_branch_id == backup.id && merge != store_.merges().end() &&
           merge->second.status == "merged" && point.why_not.empty() &&
           clock_.UnixTime() + kRounding < point.until;
  });
}

void Simulation::Start() {
  witness_.Note("the worker starts");
  Result<StoreSnapshot> snapshot = store_tap_.Load();
  BudgetSource *budgets = schedule_.shares_key ? &budgets_ : nullptr;
  engine_ = std::make_unique<Engine>(
      Engine::Services{&network_tap_, &branches_, &store_tap_, &keys_, budgets, &scripts_, &clock_,
                       &core_chance_, &settings_},
      snapshot.value());
  requests_due_ = true;
  store_failures_ = 0;
  store_allowed_at_ = Instant(0);
  turn_due_ = clock_.Now();
}

void Simulation::Crash(bool whole_server) {
  if (!engine_) return;
  witness_.Note(whole_server ? "the server crashes" : "the worker crashes");
  engine_.reset();
  network_.Crash();
  branches_.Crash();
  answers_.clear();
  events_.clear();
  turn_due_.reset();
  if (whole_server) store_.LoseCredentials();
  if (whole_server) budgets_.Lose();
  milliseconds down = chance_.Delay(50, 5'000);
  // To recover takes a server longer than a second, in which Neon counts requests of a route.
  constexpr milliseconds kRecovery{1'001};
  if (whole_server && schedule_.shares_key) down = std::max(down, kRecovery);
  agenda_.Put(clock_.Now() + down, [this] { Start(); });
}

bool Simulation::CrashesHere(double probability) {
  if (crashes_ >= schedule_.crashes_at_most || !chance_.Happens(probability)) return false;
  ++crashes_;
  Crash(chance_.Happens(0.3));
  return true;
}

void Simulation::PlanCrash() {
  if (crashes_ >= schedule_.crashes_at_most) return;
  ++crashes_;
  agenda_.Put(clock_.Now(), [this] { Crash(chance_.Happens(0.3)); });
}

void Simulation::Wake() {
  if (!engine_ || sabotage_->LosesWake(chance_)) return;
  requests_due_ = true;
  if (!turn_due_) turn_due_ = clock_.Now();
}

std::optional<Instant> Simulation::WorkerDue() const {
  if (!engine_) return std::nullopt;
  std::optional<Instant> due = turn_due_;
  auto consider = [&due](std::optional<Instant> when) {
    if (when && (!due || *when < *due)) due = when;
  };
  consider(engine_->NextDeadline());
  if (engine_->HasBatch() || requests_due_) consider(store_allowed_at_);
  return due;
}

bool Simulation::RunUntil(Instant limit) {
  constexpr int kTooOften = 300;
  for (;;) {
    std::optional<Instant> worker = WorkerDue();
    if (!worker && agenda_.empty()) return true;
    bool agenda_first = !agenda_.empty() && (!worker || agenda_.next() <= *worker);
    Instant next = agenda_first ? agenda_.next() : *worker;
    if (next > limit) return false;
    if (next > clock_.Now()) turns_at_once_ = 0;
    clock_.AdvanceTo(next);
    if (agenda_first) {
      agenda_.Take()();
      continue;
    }
    Turn();
    if (++turns_at_once_ == kTooOften) {
      witness_.Violation("the worker turns and turns");
      return false;
    }
  }
}

void Simulation::Turn() {
  turn_due_.reset();
  ++turns_;
  TakeEvents();
  TakeRequests();
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    engine_->Advance();
    if (engine_->HasBatch() && !CommitBatch()) return;
    if (engine_->ReloadWanted()) return Crash(false);  // the next worker loads everything
    if (!engine_->HasWork()) return;
  }
  turn_due_ = clock_.Now();
}

void Simulation::TakeEvents() {
  for (const HttpCompletion &completion : std::exchange(answers_, {}))
    engine_->OnHttp(completion);
  for (const BranchEvent &event : std::exchange(events_, {}))
    engine_->OnBranch(event);
}

void Simulation::TakeRequests() {
  if (!requests_due_ || clock_.Now() < store_allowed_at_) return;
  Result<Intake> intake = store_tap_.ReadRequests();
  if (!intake.ok()) {
    ++store_failures_;
    store_allowed_at_ = clock_.Now() + BackoffDelay(kStoreBackoff, store_failures_, core_chance_);
    return;
  }
  requests_due_ = false;
  engine_->OnRequests(intake.value());
}

// False: the batch is not committed, or the worker is no more.
bool Simulation::CommitBatch() {
  if (CrashesHere(faults_.crash_before_commit)) return false;
  if (clock_.Now() < store_allowed_at_) return false;
  Status status =
      engine_->batch().mutations.empty() ? Status() : store_tap_.Commit(engine_->batch());
  if (!status.ok()) {
    ++store_failures_;
    store_allowed_at_ = clock_.Now() + BackoffDelay(kStoreBackoff, store_failures_, core_chance_);
    return false;
  }
  store_failures_ = 0;
  store_allowed_at_ = Instant(0);
  NoteState();
  NoteUnsettled();
  if (CrashesHere(faults_.crash_after_commit)) return false;
  engine_->Committed();
  return !CrashesHere(faults_.crash_after_sending);
}

void Simulation::NoteState() {
  JudgePlaces(TakeEvidence(), witness_);
  uint64_t hash = HashState(TakeEvidence());
  witness_.Mix(hash);
  witness_.Mix(static_cast<uint64_t>(clock_.Now().count()));
  if (states_ != nullptr) states_->insert(hash);
}

Evidence Simulation::TakeEvidence() const {
  return {&neon_,  &store_,           &branches_,         &settings_,
          &harms_, clock_.UnixTime(), clock_.was_wrong(), {}};
}

bool Simulation::SweepTwice() {
  bool rests = true;
  for (int sweep = 0; rests && sweep < 2; ++sweep) {
    store_.AddSweep(false);
    Wake();
    rests = RunUntil(clock_.Now() + kDay);
  }
  neon_.Settle();
  return rests;
}

// After the faults: since when everybody has what he asked for.
void Simulation::NoteUnsettled() {
  for (const auto &[id, session] : store_.sessions()) {
    bool moves = session.state != SessionState::kQueued && !session.settled;
    if (moves) unsettled_at_ = clock_.Now();
  }
}

void Simulation::JudgeSettling(Instant faults_ended, int64_t requests_before) {
  if (!IsOn(Trial::kBounds)) return;
  settled_after_ = unsettled_at_ - faults_ended;
  requests_after_ = neon_.requests() - requests_before;
  if (settled_after_ > kSettledWithin) {
    witness_.Violation("somebody waited " + std::to_string(settled_after_.count() / 1'000) +
                       " s though nothing went wrong any more");
  }
}

// With everything at rest: what has been promised, then and after two sweeps, and once every
// session has expired.
bool Simulation::JudgeAll() {
  JudgeRest(TakeEvidence(), witness_);
  if (IsOn(Trial::kDuty)) JudgeDuty(TakeEvidence(), witness_);
  JudgeExpiries(TakeEvidence(), false, witness_);
  outcomes_ = users_.Outcomes();
  for (UserOutcome &outcome : outcomes_) {
    auto session = store_.sessions().find(outcome.session_id);
    outcome.excused =
        session == store_.sessions().end() || IsExcused(TakeEvidence(), session->second);
  }
  if (!SweepTwice()) return false;
  JudgeKnown(TakeEvidence(), witness_);
  JudgeExpiries(TakeEvidence(), true, witness_);
  // Beyond every expiry and undo_window.
  clock_.AdvanceTo(clock_.Now() + 3 * kDay);
  return SweepTwice();
}

RunResult Simulation::Run() {
  Start();
  RunUntil(schedule_.faults_end);
  clock_.AdvanceTo(schedule_.faults_end);
  EndFaults();
  if (engine_) {
    engine_->Reconfigure();
    turn_due_ = clock_.Now();
  }
  const Instant faults_ended = clock_.Now();
  const int64_t requests_before = neon_.requests();
  unsettled_at_ = faults_ended;
  bool rests = witness_.violations().empty();
  if (rests && schedule_.trouble) {
    rests = OutlastTrouble() && SweepTwice();
  } else if (rests) {
    rests = RunUntil(clock_.Now() + kDay);
    JudgeSettling(faults_ended, requests_before);
    rests = rests && JudgeAll();
  }
  if (rests) {
    JudgeEnd(TakeEvidence(), witness_);
  } else {
    witness_.Violation("it does not come to rest");
  }
  return TakeResult();
}

RunResult Simulation::TakeResult() {
  RunResult result;
  result.violations = witness_.violations();
  result.trace = witness_.TakeTrace();
  result.digest = witness_.digest();
  result.turns = turns_;
  result.requests = neon_.requests();
  result.sessions = static_cast<int64_t>(store_.sessions().size());
  result.undos = static_cast<int64_t>(store_.undos().size());
  result.steps = static_cast<int64_t>(store_.steps().size());
  result.settled_after = settled_after_;
  result.requests_after = requests_after_;
  result.outcomes = outcomes_;
  return result;
}

RunResult RunSchedule(const Schedule &schedule, bool tracing, std::unordered_set<uint64_t> *states,
                      Sabotage *sabotage) {
  return Simulation(schedule, sabotage, tracing, states).Run();
}

RequestBudget ModelBudgets::Budget(const std::string &file) {
  return RequestBudget(&spent_[file], &guard_);
}

}  // namespace agent_branch::simulation
