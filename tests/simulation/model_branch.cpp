#include "tests/simulation/model_branch.hpp"

#include <utility>

#include "tests/simulation/trials.hpp"

namespace agent_branch::simulation {
namespace {

// Of one statement that runs alone.
int64_t MigrationOf(const std::string &sql) {
  const std::vector<ModelStatement> statements = StatementsIn(sql);
  const size_t number = sql.find_first_of("0123456789");
  if (statements.empty() || number == std::string::npos) return 0;
  return PlaceOfEffect(std::stoll(sql.substr(number))).migration;
}

}  // namespace

void ModelBranches::Start(BranchTask task) {
  uint64_t id = task.id;
  if (witness_->tracing()) {
    static constexpr const char *kKinds[] = {
        "catalog version", "fingerprint", "migrate", "transaction status",
        "run alone",       "look",        "excerpt", "risks"};
    witness_->Note("task " + std::to_string(id) + ": " + kKinds[static_cast<int>(task.kind)] +
                   " on " + task.connection_key + " " + task.sql + task.transaction_id);
  }
  tasks_[id].task = std::move(task);
  Later(id, neon_->Paced(chance_->Delay(5, 200)), &ModelBranches::Run);
}

void ModelBranches::Later(uint64_t id, milliseconds after, void (ModelBranches::*what)(uint64_t)) {
  agenda_->Put(clock_->Now() + after, [this, id, what, incarnation = incarnation_] {
    if (incarnation == incarnation_ && tasks_.count(id) > 0) (this->*what)(id);
  });
}

ModelBranch *ModelBranches::Find(const Task &task) {
  ModelProject *project = nullptr;
  neon_->Settle();
  ModelBranch *branch = neon_->FindByHost(task.task.uri.Reveal(), &project);
  bool reachable = branch != nullptr && branch->state == ModelBranch::State::kReady &&
                   !project->databases_unreachable;
  return reachable ? branch : nullptr;
}

void ModelBranches::Run(uint64_t id) {
  Task &task = tasks_.at(id);
  ModelBranch *branch = Find(task);
  if (branch == nullptr || chance_->Happens(faults_->no_connection)) {
    Fail(id, BranchOutcome::kNotRun);
    return;
  }
  switch (task.task.kind) {
    case BranchTaskKind::kCatalogVersion:
      TellVersion(id, *branch);
      return;
    case BranchTaskKind::kFingerprint:
      Describe(id, *branch);
      return;
    case BranchTaskKind::kTransactionStatus:
      TellFate(id, *branch);
      return;
    case BranchTaskKind::kMigrate:
      RunMigration(id, *branch);
      return;
    case BranchTaskKind::kRunAlone:
      RunAlone(id, *branch);
      return;
    case BranchTaskKind::kLookAlone:
      LookAlone(id, *branch);
      return;
    case BranchTaskKind::kRisks:
      TellRisks(id, *branch);
      return;
    case BranchTaskKind::kExcerpt:
      witness_->Violation("a schema is read for a fixer that is not there");
      return;
    case BranchTaskKind::kDefinitions:
    case BranchTaskKind::kStandpoint:
    case BranchTaskKind::kUnrecorded:
      witness_->Violation("a branch is asked for what the model does not know");
      return;
  }
}

void ModelBranches::Describe(uint64_t id, ModelBranch &branch) {
  branch.described_at = clock_->Now();
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  event.fingerprint = branch.content.Fingerprint();
  event.objects = branch.content.Objects();
  Finish(id, std::move(event));
}

// Changes with each change of the schema, and means nothing beyond the branch and its copies:
// others that had as many changes have the same.
void ModelBranches::TellVersion(uint64_t id, ModelBranch &branch) {
  branch.described_at = clock_->Now();
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  event.fingerprint = "version " + std::to_string(branch.content.migrations.size());
  event.objects = "{}";
  Finish(id, std::move(event));
}

void ModelBranches::TellFate(uint64_t id, ModelBranch &branch) {
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  auto found = branch.transactions.find(tasks_.at(id).task.transaction_id);
  if (found == branch.transactions.end()) {
    witness_->Violation("asked for the fate of a transaction that never was");
    event.fate = TransactionFate::kTooOld;
  } else {
    event.fate = found->second;
  }
  Finish(id, std::move(event));
}

void ModelBranches::RunMigration(uint64_t id, ModelBranch &branch) {
  Task &task = tasks_.at(id);
  if (chance_->Happens(faults_->connection_lost)) {
    Fail(id, BranchOutcome::kNotRun);
    return;
  }
  BranchEvent event;
  bool writes = false;
  int completed = 0;
  for (const ModelStatement &statement : StatementsIn(task.task.sql)) {
    if (statement.fails) {
      event.outcome = BranchOutcome::kRejected;
      event.server_error.sqlstate = "42P07";
      event.server_error.message = "relation exists already";
      event.completed = completed;
      Finish(id, std::move(event));
      return;
    }
    writes = writes || statement.effect != 0;
    ++completed;
  }
  if (writes) {
    task.transaction_id = std::to_string(next_transaction_++);
    branch.transactions[task.transaction_id] = TransactionFate::kInProgress;
  }
  event.id = id;
  event.kind = BranchEvent::Kind::kReadyToCommit;
  event.transaction_id = task.transaction_id;
  event.rows = completed;
  deliver(std::move(event));
  if (chance_->Happens(faults_->connection_lost)) {
    Later(id, chance_->Delay(0, 100), &ModelBranches::Lose);
  }
}

void ModelBranches::TellRisks(uint64_t id, ModelBranch &) {
  BranchEvent event;
  event.outcome = chance_->Happens(0.1) ? BranchOutcome::kRejected : BranchOutcome::kDone;
  event.answer = "[]";
  Finish(id, std::move(event));
}

void ModelBranches::DropHalf(uint64_t id, ModelBranch &branch) {
  auto found = branch.indexes.find(tasks_.at(id).task.alone.object);
  if (found != branch.indexes.end() && found->second) {
    witness_->Violation("a whole index is dropped: " + found->first);
  }
  bool lost = chance_->Happens(faults_->commit_lost);
  if (found != branch.indexes.end() && (!lost || chance_->Happens(0.5)))
    branch.indexes.erase(found);
  if (lost) {
    Fail(id, BranchOutcome::kCommitUnknown);
    return;
  }
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  Finish(id, std::move(event));
}

void ModelBranches::RunAlone(uint64_t id, ModelBranch &branch) {
  const Task &task = tasks_.at(id);
  if (chance_->Happens(faults_->connection_lost)) {
    Fail(id, BranchOutcome::kNotRun);
    return;
  }
  if (task.task.sql.rfind("DROP INDEX", 0) == 0) {
    DropHalf(id, branch);
    return;
  }
  const ModelStatement statement = StatementsIn(task.task.sql).front();
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  bool exists = branch.indexes.count(task.task.alone.object) > 0;
  if (statement.fails || exists) {
    if (statement.effect != 0 && !exists) branch.indexes[task.task.alone.object] = false;
    event.outcome = BranchOutcome::kRejected;
    event.server_error.sqlstate = exists ? "42P07" : "23505";
    event.server_error.message = exists ? "relation exists already" : "there are duplicates";
    Finish(id, std::move(event));
    return;
  }
  if (chance_->Happens(faults_->commit_lost)) {
    BuildLater(branch, task);
    Fail(id, BranchOutcome::kCommitUnknown);
    return;
  }
  Build(branch, task);
  Finish(id, std::move(event));
  if (chance_->Happens(faults_->crash_after_effect)) after_effect();
}

void ModelBranches::Build(ModelBranch &branch, const Task &task) {
  const int64_t effect = StatementsIn(task.task.sql).front().effect;
  if (effect == 0) return;
  branch.indexes[task.task.alone.object] = true;
  AddEffect(branch, effect);
}

// The client is gone. The server goes on, and comes to its end, or is cut off in the middle.
void ModelBranches::BuildLater(ModelBranch &branch, const Task &task) {
  harms->Note(Harm::kFateUnknown, std::to_string(MigrationOf(task.task.sql)));
  branch.at_work.insert(task.task.alone.token);
  if (StatementsIn(task.task.sql).front().effect != 0)
    branch.indexes[task.task.alone.object] = false;
  agenda_->Put(clock_->Now() + chance_->Delay(0, 3'000), [this, task] {
    ModelProject *project = nullptr;
    ModelBranch *still = neon_->FindByHost(task.task.uri.Reveal(), &project);
    if (still == nullptr) return;
    still->at_work.erase(task.task.alone.token);
    if (chance_->Happens(0.5)) Build(*still, task);
  });
}

void ModelBranches::LookAlone(uint64_t id, ModelBranch &branch) {
  const BranchTask &task = tasks_.at(id).task;
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  auto found = branch.indexes.find(task.alone.object);
  if (branch.at_work.count(task.alone.token) > 0) {
    event.answer = std::string(kAloneRunning);
  } else if (found == branch.indexes.end()) {
    event.answer = std::string(kAloneAbsent);
  } else {
    event.answer =
        std::string(found->second ? kAloneThere : kAloneHalf) + " public." + found->first;
  }
  Finish(id, std::move(event));
}

// The connection breaks while the migration waits for its COMMIT.
void ModelBranches::Lose(uint64_t id) {
  Task &task = tasks_.at(id);
  if (task.committing) return;
  RollBackLater(task);
  Fail(id, BranchOutcome::kNotRun);
}

void ModelBranches::Commit(uint64_t id) {
  auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  found->second.committing = true;
  Later(id, neon_->Paced(chance_->Delay(1, 100)), &ModelBranches::DoCommit);
}

void ModelBranches::DoCommit(uint64_t id) {
  Task &task = tasks_.at(id);
  ModelBranch *branch = Find(task);
  bool lost = branch == nullptr || chance_->Happens(faults_->commit_lost);
  bool takes_effect = branch != nullptr && (!lost || chance_->Happens(0.5));
  if (takes_effect && lost && IsOn(Trial::kLateCommits)) {
    ApplyLater(task);
  } else if (takes_effect) {
    Apply(*branch, task);
  } else {
    RollBackLater(task);
  }
  if (lost) {
    Fail(id, BranchOutcome::kCommitUnknown);
  } else {
    BranchEvent event;
    event.outcome = BranchOutcome::kDone;
    event.transaction_id = task.transaction_id;
    Finish(id, std::move(event));
  }
  if (takes_effect && chance_->Happens(faults_->crash_after_effect)) after_effect();
}

void ModelBranches::Apply(ModelBranch &branch, const Task &task) {
  if (task.transaction_id.empty()) return;
  branch.transactions[task.transaction_id] = TransactionFate::kCommitted;
  for (const ModelStatement &statement : StatementsIn(task.task.sql)) {
    if (statement.effect != 0) AddEffect(branch, statement.effect);
  }
}

// The server works on the COMMIT while its client is gone already, and may be asked meanwhile.
void ModelBranches::ApplyLater(const Task &task) {
  agenda_->Put(clock_->Now() + chance_->Delay(0, 3'000), [this, task] {
    ModelProject *project = nullptr;
    ModelBranch *branch = neon_->FindByHost(task.task.uri.Reveal(), &project);
    if (branch != nullptr) Apply(*branch, task);
  });
}

void ModelBranches::AddEffect(ModelBranch &branch, int64_t effect) {
  const EffectPlace place = PlaceOfEffect(effect);
  const std::string name = "migration " + std::to_string(place.migration) + ", statement " +
                           std::to_string(place.statement);
  branch.content.migrations.push_back(effect);
  if (witness_->tracing()) witness_->Note("database " + branch.id + ": " + name + " is committed");
  if (++applied_[effect] > 1) witness_->Violation(name + " is applied twice");
  auto [session_id, ordinal] = place_of(place.migration);
  auto &last = last_place_[session_id];
  const auto now = std::make_tuple(ordinal, place.attempt, place.statement);
  if (now < last) witness_->Violation(name + " is applied out of order");
  last = now;
}

// A server notices that its client is gone after a while.
void ModelBranches::RollBackLater(const Task &task) {
  if (task.transaction_id.empty()) return;
  agenda_->Put(clock_->Now() + chance_->Delay(0, 3'000),
               [this, uri = task.task.uri, transaction_id = task.transaction_id] {
                 ModelProject *project = nullptr;
                 ModelBranch *branch = neon_->FindByHost(uri.Reveal(), &project);
                 if (branch == nullptr) return;
                 branch->transactions[transaction_id] = TransactionFate::kAborted;
               });
}

void ModelBranches::Finish(uint64_t id, BranchEvent event) {
  event.id = id;
  tasks_.erase(id);
  agenda_->Put(clock_->Now() + chance_->Delay(1, 50), [this, incarnation = incarnation_,
                                                       event = std::move(event)] {
    if (incarnation != incarnation_) return;
    if (witness_->tracing()) {
      static constexpr const char *kOutcomes[] = {"done", "rejected", "not run", "commit unknown"};
      witness_->Note("task " + std::to_string(event.id) +
                     " ends: " + kOutcomes[static_cast<int>(event.outcome)]);
    }
    deliver(event);
  });
}

void ModelBranches::Fail(uint64_t id, BranchOutcome outcome) {
  BranchEvent event;
  event.outcome = outcome;
  event.error = Status::Error("08006", "the connection to the branch failed");
  Finish(id, std::move(event));
}

void ModelBranches::Cancel(uint64_t id) {
  auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  Task &task = found->second;
  ModelBranch *branch = Find(task);
  if (task.task.kind == BranchTaskKind::kRunAlone && branch != nullptr &&
      task.task.sql.rfind("DROP INDEX", 0) != 0 && !StatementsIn(task.task.sql).front().fails) {
    // It may have been sent, or not.
    if (branch->indexes.count(task.task.alone.object) == 0 && chance_->Happens(0.5))
      BuildLater(*branch, task);
    tasks_.erase(found);
    return;
  }
  // A COMMIT that is on its way may be faster.
  if (task.committing && branch != nullptr && chance_->Happens(0.5)) {
    Apply(*branch, task);
  } else {
    RollBackLater(task);
  }
  tasks_.erase(found);
}

void ModelBranches::Crash() {
  ++incarnation_;
  while (!tasks_.empty())
    Cancel(tasks_.begin()->first);
}

}  // namespace agent_branch::simulation
