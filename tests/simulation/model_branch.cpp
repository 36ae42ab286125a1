#include "tests/simulation/model_branch.hpp"

#include <utility>

#include "tests/simulation/trials.hpp"

namespace agent_branch::simulation {
namespace {

constexpr size_t kFirstTransaction = 1'000;
constexpr const char *kDigits = "0123456789";

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
        "catalog version", "fingerprint", "migrate",     "transaction status", "run alone",  "look",
        "excerpt",         "risks",       "definitions", "standpoint",         "unrecorded", "gate",
        "make role",       "drop roles",  "who am I"};
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
    constexpr int kTries = 3;
    const std::string &whose = task.task.connection_key;
    // The role that reads a parent is asked for first.
    const bool counts = task.task.kind == BranchTaskKind::kStandpoint ||
                        task.task.kind == BranchTaskKind::kMakeRole;
    if (counts && ++unread_[whose] >= kTries) harms->Note(Harm::kStandpointUnread, whose);
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
    case BranchTaskKind::kRunOutsideTransaction:
      RunAlone(id, *branch);
      return;
    case BranchTaskKind::kInspectOutsideTransaction:
      LookAlone(id, *branch);
      return;
    case BranchTaskKind::kRisks:
      TellRisks(id, *branch);
      return;
    case BranchTaskKind::kExcerpt:
      witness_->Violation("a schema is read for a fixer that is not there");
      return;
    case BranchTaskKind::kStandpoint:
      TellStandpoint(id, *branch);
      return;
    case BranchTaskKind::kUnrecorded:
      TellUnrecorded(id, *branch);
      return;
    case BranchTaskKind::kDefinitions:
      TellDefinitions(id);
      return;
    case BranchTaskKind::kGate:
      TellGate(id);
      return;
    case BranchTaskKind::kMakeRole:
    case BranchTaskKind::kDropRoles:
      ChangeRoles(id, *branch);
      return;
    case BranchTaskKind::kWhoAmI:
      TellWho(id, *branch);
      return;
  }
}

// What was done may not be told, and is done again.
void ModelBranches::ChangeRoles(uint64_t id, ModelBranch &branch) {
  const BranchTask &task = tasks_.at(id).task;
  if (task.kind == BranchTaskKind::kDropRoles)
    branch.content.roles.clear();
  else if (!task.only_reads)
    branch.content.roles.insert(task.login_role);
  if (chance_->Happens(faults_->commit_lost)) {
    Fail(id, BranchOutcome::kNotRun);
    return;
  }
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  event.answer = std::to_string(next_transaction_++);
  Finish(id, std::move(event));
}

void ModelBranches::TellWho(uint64_t id, const ModelBranch &branch) {
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  const std::string role = branch.content.roles.empty() ? "nobody" : *branch.content.roles.begin();
  event.answer = "[\"" + role + "\",\"owner\"]";
  Finish(id, std::move(event));
}

// A gate of the model's projects always holds.
void ModelBranches::TellGate(uint64_t id) {
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  event.answer = "[]";
  Finish(id, std::move(event));
}

// What an object says is for people, and for a look at what it names: here it names nothing.
void ModelBranches::TellDefinitions(uint64_t id) {
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  event.answer = "{}";
  Finish(id, std::move(event));
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

void ModelBranches::TellStandpoint(uint64_t id, ModelBranch &branch) {
  branch.described_at = clock_->Now();
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  const size_t writes = branch.content.log.size();
  event.answer =
      R"({"system_identifier":"7","database":"shop","quiet":true,"unread_sequences":0,)"
      R"("sequences":{},"other_databases":[],"statistics_since":"","changes":{},"next_xid":")" +
      std::to_string(kFirstTransaction + writes) + "\"}";
  Finish(id, std::move(event));
}

// What users write to a session's branch without a migration.
void ModelBranches::TellUnrecorded(uint64_t id, ModelBranch &branch) {
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  if (branch.maker == ModelBranch::Maker::kSetup) {
    TellWrittenSince(id, branch);
    return;
  }
  const std::string rows =
      std::to_string(branch.content.writes.size() - branch.at_fork.writes.size());
  event.answer = R"({"statistics_since":"","changes":{},"recent_clients":0,"foreign_count":)" +
                 rows + R"(,"written":{)" + (rows == "0" ? "" : "\"public.notes\":" + rows) + "}}";
  Finish(id, std::move(event));
}

// What was written to the parent since a standpoint, but for the transactions that are named.
void ModelBranches::TellWrittenSince(uint64_t id, ModelBranch &parent) {
  parent.described_at = clock_->Now();
  const BranchTask &task = tasks_.at(id).task;
  std::set<int64_t> own;
  for (size_t at = task.sql.find_first_of(kDigits); at != std::string::npos;) {
    const size_t end = std::min(task.sql.find_first_not_of(kDigits, at), task.sql.size());
    own.insert(std::stoll(task.sql.substr(at, end - at)));
    at = task.sql.find_first_of(kDigits, end);
  }
  const auto since = static_cast<size_t>(std::stoll(task.transaction_id)) - kFirstTransaction;
  int64_t transactions = 0;
  int64_t rows = 0;
  for (size_t at = since; at < parent.content.log.size(); ++at) {
    const int64_t label = parent.content.log[at];
    if (label > 0 && own.count(label) > 0) continue;
    ++transactions;
    rows += label == Content::kRows ? 1 : 0;
  }
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  event.answer = R"({"statistics_since":"","changes":{},"recent_clients":0,"foreign_count":)" +
                 std::to_string(transactions) + R"(,"written":{)" +
                 (rows == 0 ? "" : "\"public.notes\":" + std::to_string(rows)) + "}}";
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

void ModelBranches::TellRisks(uint64_t id, ModelBranch &) {
  BranchEvent event;
  event.outcome = chance_->Happens(0.1) ? BranchOutcome::kRejected : BranchOutcome::kDone;
  event.answer = "[]";
  Finish(id, std::move(event));
}

void ModelBranches::DropHalf(uint64_t id, ModelBranch &branch) {
  auto found = branch.indexes.find(tasks_.at(id).task.non_transactional.object);
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
  bool exists = branch.indexes.count(task.task.non_transactional.object) > 0;
  if (statement.fails || exists) {
    if (statement.effect != 0 && !exists)
      branch.indexes[task.task.non_transactional.object] = false;
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
  branch.indexes[task.task.non_transactional.object] = true;
  branch.content.log.push_back(Content::kSchema);
  AddEffect(branch, effect);
}

// The client is gone. The server goes on, and comes to its end, or is cut off in the middle.
void ModelBranches::BuildLater(ModelBranch &branch, const Task &task) {
  harms->Note(Harm::kFateUnknown, std::to_string(MigrationOf(task.task.sql)));
  branch.at_work.insert(task.task.non_transactional.token);
  if (StatementsIn(task.task.sql).front().effect != 0)
    branch.indexes[task.task.non_transactional.object] = false;
  agenda_->Put(clock_->Now() + chance_->Delay(0, 3'000), [this, task] {
    ModelProject *project = nullptr;
    ModelBranch *still = neon_->FindByHost(task.task.uri.Reveal(), &project);
    if (still == nullptr) return;
    still->at_work.erase(task.task.non_transactional.token);
    if (chance_->Happens(0.5)) Build(*still, task);
  });
}

void ModelBranches::LookAlone(uint64_t id, ModelBranch &branch) {
  const BranchTask &task = tasks_.at(id).task;
  BranchEvent event;
  event.outcome = BranchOutcome::kDone;
  auto found = branch.indexes.find(task.non_transactional.object);
  if (branch.at_work.count(task.non_transactional.token) > 0) {
    event.answer = std::string(kAloneRunning);
  } else if (found == branch.indexes.end()) {
    event.answer = std::string(kAloneAbsent);
  } else {
    event.answer =
        std::string(found->second ? kAloneThere : kAloneHalf) + " public." + found->first;
  }
  Finish(id, std::move(event));
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
  if (task.task.kind == BranchTaskKind::kRunOutsideTransaction && branch != nullptr &&
      task.task.sql.rfind("DROP INDEX", 0) != 0 && !StatementsIn(task.task.sql).front().fails) {
    // It may have been sent, or not.
    if (branch->indexes.count(task.task.non_transactional.object) == 0 && chance_->Happens(0.5))
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
