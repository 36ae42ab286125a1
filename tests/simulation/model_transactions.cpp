// Transactions of the model's databases: migrations on branches, and a session's replay on its
// parent.
#include <algorithm>
#include <utility>

#include "tests/simulation/model_branch.hpp"
#include "tests/simulation/trials.hpp"

namespace agent_branch::simulation {
namespace {

// What the worker adds to a replay of its own: it takes no effect.
bool IsGuard(const std::string &sql) {
  return sql.rfind("DO $agent_branch$", 0) == 0;
}

// Of all texts, in order.
std::vector<ModelStatement> StatementsOf(const BranchTask &task) {
  std::vector<ModelStatement> statements;
  const auto add = [&statements](const std::string &sql) {
    if (IsGuard(sql)) return;
    const std::vector<ModelStatement> read = StatementsIn(sql);
    statements.insert(statements.end(), read.begin(), read.end());
  };
  add(task.sql);
  for (const BranchScript &script : task.more)
    add(script.sql);
  return statements;
}

std::vector<int64_t> EffectsOf(const BranchTask &task) {
  std::vector<int64_t> effects;
  for (const ModelStatement &statement : StatementsOf(task))
    if (statement.effect != 0) effects.push_back(statement.effect);
  return effects;
}

std::string RecordOf(const std::string &transaction_id, size_t effects) {
  std::string record = R"({"counted":true,"milliseconds":1,"rows":{"public.log":{"inserted":)" +
                       std::to_string(effects) + "}}";
  if (!transaction_id.empty()) record += ",\"transaction_id\":\"" + transaction_id + "\"";
  return record + "}";
}

}  // namespace

void ModelBranches::RunMigration(uint64_t id, ModelBranch &branch) {
  Task &task = tasks_.at(id);
  if (chance_->Happens(faults_->connection_lost)) {
    Fail(id, BranchOutcome::kNotRun);
    return;
  }
  BranchEvent event;
  bool writes = false;
  int completed = 0;
  for (const ModelStatement &statement : StatementsOf(task.task)) {
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
  const std::vector<int64_t> effects = EffectsOf(task.task);
  if (task.task.record) event.record = RecordOf(task.transaction_id, effects.size());
  if (task.task.prove) {
    branch.described_at = clock_->Now();
    Content after = branch.content;
    after.migrations.insert(after.migrations.end(), effects.begin(), effects.end());
    event.fingerprint = after.Fingerprint();
    event.objects = after.Objects();
  }
  deliver(std::move(event));
  if (chance_->Happens(faults_->connection_lost)) {
    Later(id, chance_->Delay(0, 100), &ModelBranches::Lose);
  }
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
  const std::vector<int64_t> effects = EffectsOf(task.task);
  if (branch.maker == ModelBranch::Maker::kSetup) {
    ModelProject *project = nullptr;
    neon_->FindByHost(task.task.uri.Reveal(), &project);
    const int64_t session_id = place_of(PlaceOfEffect(effects.front()).migration).first;
    neon_->NoteReplay(*project, session_of(session_id), effects);
  }
  branch.content.log.push_back(std::stoll(task.transaction_id));
  for (const int64_t effect : effects)
    AddEffect(branch, effect);
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
  if (witness_->tracing()) witness_->Note("database " + branch.id + ": " + name + " is committed");
  const auto &there = branch.content.migrations;
  if (std::find(there.begin(), there.end(), effect) != there.end())
    witness_->Violation(name + " is applied twice to " + branch.id);
  branch.content.migrations.push_back(effect);
  if (branch.maker == ModelBranch::Maker::kSetup) return;
  effects_.insert(effect);
  if (!applied_.insert({branch.id, effect}).second) witness_->Violation(name + " is applied twice");
  const int ordinal = place_of(place.migration).second;
  auto &last = last_place_[branch.id];
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

}  // namespace agent_branch::simulation
