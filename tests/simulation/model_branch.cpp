#include "tests/simulation/model_branch.hpp"

#include <utility>

namespace agent_branch::simulation {
namespace {

int64_t MigrationOf(const std::string &sql) {
  constexpr size_t kWord = sizeof "migration";
  return sql.size() > kWord ? std::stoll(sql.substr(kWord)) : 0;
}

bool Says(const std::string &sql, const char *word) {
  return sql.find(word) != std::string::npos;
}

}  // namespace

void ModelBranches::Start(BranchTask task) {
  uint64_t id = task.id;
  if (witness_->tracing()) {
    static constexpr const char *kKinds[] = {"catalog version", "fingerprint", "migrate",
                                             "transaction status"};
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
  bool reachable = branch != nullptr && branch->state == ModelBranch::State::kReady;
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
  const std::string &sql = task.task.sql;
  if (chance_->Happens(faults_->connection_lost)) {
    Fail(id, BranchOutcome::kNotRun);
    return;
  }
  BranchEvent event;
  if (Says(sql, "fails")) {
    event.outcome = BranchOutcome::kRejected;
    event.server_error.sqlstate = "42P07";
    event.server_error.message = "relation exists already";
    Finish(id, std::move(event));
    return;
  }
  if (!Says(sql, "writes nothing")) {
    task.transaction_id = std::to_string(next_transaction_++);
    branch.transactions[task.transaction_id] = TransactionFate::kInProgress;
  }
  event.id = id;
  event.kind = BranchEvent::Kind::kReadyToCommit;
  event.transaction_id = task.transaction_id;
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
  if (takes_effect) {
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
  int64_t migration = MigrationOf(task.task.sql);
  branch.content.migrations.push_back(migration);
  if (witness_->tracing()) {
    witness_->Note("database " + branch.id + ": migration " + std::to_string(migration) +
                   " is committed");
  }
  if (++applied_[migration] > 1) {
    witness_->Violation("migration " + std::to_string(migration) + " is applied twice");
  }
  auto [session_id, ordinal] = place_of(migration);
  int &last = last_ordinal_[session_id];
  if (ordinal < last) {
    witness_->Violation("migration " + std::to_string(migration) + " is applied out of order");
  }
  last = ordinal;
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
