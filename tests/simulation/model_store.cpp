#include "tests/simulation/model_store.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tests/simulation/effects.hpp"

namespace agent_branch::simulation {
namespace {

Status Refused() {
  return Status::Error("53100", "could not write to file: no space left on device");
}

bool IsOpen(const MergeRow &merge) {
  return merge.status == "queued" || merge.status == "running";
}

bool IsOpen(const UndoRow &undo) {
  return undo.status == "queued" || undo.status == "running";
}

bool IsOpen(const MigrationRow &migration) {
  return migration.status == MigrationStatus::kQueued ||
         migration.status == MigrationStatus::kRunning ||
         migration.status == MigrationStatus::kRepairing;
}

// What is for people to read is not loaded.
MigrationRow AsLoaded(MigrationRow migration) {
  migration.statements = migration.statement = 0;
  migration.non_transactional.clear();
  migration.risks.clear();
  migration.error = ServerError();
  return migration;
}

template <class Row, class Wanted>
std::vector<Row> Select(const std::map<int64_t, Row> &rows, Wanted wanted) {
  std::vector<Row> selected;
  for (const auto &[id, row] : rows) {
    if (wanted(row)) selected.push_back(row);
  }
  return selected;
}

}  // namespace

Result<StoreSnapshot> ModelStore::Load() {
  StoreSnapshot loaded;
  loaded.installation_id = "5f0c7f6e-0000-4000-8000-000000000001";
  loaded.last_step_id = steps_.empty() ? 0 : steps_.rbegin()->first;
  loaded.projects = Select(projects_, [](const auto &) { return true; });
  loaded.sessions =
      Select(sessions_, [this](const auto &row) { return !row.finished || HasOpenUndo(row.id); });
  loaded.migrations = Select(migrations_, [](const auto &row) { return IsOpen(row); });
  for (MigrationRow &migration : loaded.migrations)
    migration = AsLoaded(migration);
  loaded.merges = Select(merges_, [](const auto &row) { return IsOpen(row); });
  for (MergeRow &merge : loaded.merges)
    merge.reason.clear();  // it is for people to read, and not loaded
  for (const auto &[id, row] : rebases_)
    loaded.rebases.push_back(row);
  loaded.undos = Select(undos_, [](const auto &row) { return IsOpen(row); });
  for (UndoRow &undo : loaded.undos) {
    undo.reason.clear();  // what is for people is not loaded
    undo.lost.clear();
  }
  for (const MergeRow &merge : loaded.merges) {
    const auto point = undo_points_.find(merge.id);
    if (point != undo_points_.end()) loaded.undo_points.push_back(point->second);
  }
  loaded.steps = Select(steps_, [](const auto &row) { return row.status == "intended"; });
  for (const auto &[id, row] : kept_) {
    if (!row.deleted) loaded.kept.push_back(row);
  }
  loaded.sweeps = Select(sweeps_, [this](const auto &row) {
    auto asks = [&](const auto &one) {
      return one.second.kind == "reap" && one.second.subject_id == row.id;
    };
    return !row.finished && std::none_of(requests_.begin(), requests_.end(), asks);
  });
  for (SweepRow &sweep : loaded.sweeps)
    sweep = {sweep.id, sweep.dry_run, false, false, {}};
  loaded.credentials = credentials_;
  return loaded;
}

Result<Intake> ModelStore::ReadRequests() {
  if (chance_->Happens(faults_->read_fails)) return Refused();
  Intake intake;
  for (const auto &[id, request] : requests_) {
    intake.requests.push_back(request);
    if (request.kind == "register") {
      intake.projects.push_back(projects_.at(request.project_id));
    } else if (request.kind == "create") {
      intake.projects.push_back(projects_.at(request.project_id));
      intake.sessions.push_back(sessions_.at(request.session_id));
    } else if (request.kind == "undo") {
      intake.sessions.push_back(sessions_.at(request.session_id));
    } else if (request.kind == "migrate") {
      intake.migrations.push_back(AsLoaded(migrations_.at(request.subject_id)));
    } else if (request.kind == "reap") {
      intake.sweeps.push_back(sweeps_.at(request.subject_id));
    }
  }
  return intake;
}

Result<std::string> ModelStore::MigrationSql(int64_t migration_id, int attempt) {
  if (chance_->Happens(faults_->read_fails)) return Refused();
  return sql_[{migration_id, attempt}];
}

Result<std::optional<Script>> ModelStore::MigrationScript(int64_t migration_id, int attempt) {
  if (chance_->Happens(faults_->read_fails)) return Refused();
  const auto found = scripts_.find({migration_id, attempt});
  if (found == scripts_.end()) return std::optional<Script>();
  return std::optional<Script>(found->second);
}

Result<std::string> ModelStore::SnapshotObjects(const std::string &fingerprint) {
  if (chance_->Happens(faults_->read_fails)) return Refused();
  auto found = snapshots_.find(fingerprint);
  return found == snapshots_.end() ? std::string("{}") : found->second;
}

Result<std::vector<AppliedMigration>> ModelStore::AppliedMigrations(int64_t session_id) {
  if (chance_->Happens(faults_->read_fails)) return Refused();
  std::map<int, AppliedMigration> applied;
  for (const auto &[id, row] : migrations_) {
    if (row.session_id != session_id || row.status != MigrationStatus::kApplied) continue;
    const std::string record = row.record.empty() ? "" : "[" + row.record + "]";
    applied[row.ordinal] = {id, row.attempt, row.ordinal, sql_[{id, row.attempt}], record};
  }
  std::vector<AppliedMigration> all;
  for (auto &[ordinal, migration] : applied)
    all.push_back(std::move(migration));
  return all;
}

Result<ForkRow> ModelStore::Fork(int64_t session_id) {
  if (chance_->Happens(faults_->read_fails)) return Refused();
  auto found = forks_.find(session_id);
  return found == forks_.end() ? ForkRow{session_id, false, {}, {}} : found->second;
}

Result<std::optional<UndoPointRow>> ModelStore::UndoPoint(int64_t merge_id) {
  if (chance_->Happens(faults_->read_fails)) return Refused();
  const auto found = undo_points_.find(merge_id);
  if (found == undo_points_.end()) return std::optional<UndoPointRow>();
  return std::optional<UndoPointRow>(found->second);
}

Result<std::vector<DoneReplay>> ModelStore::ReplaysSince(int64_t project_id,
                                                         const std::string &parent_reset_at,
                                                         const std::string &transaction_id) {
  if (chance_->Happens(faults_->read_fails)) return Refused();
  std::vector<DoneReplay> replays;
  for (const auto &[id, merge] : merges_) {
    const SessionRow &session = sessions_.at(merge.session_id);
    const bool counts = session.project_id == project_id && merge.status == "merged" &&
                        merge.chosen == "replay" && merge.parent_reset_at == parent_reset_at &&
                        !merge.transaction_id.empty() &&
                        std::stoll(merge.transaction_id) >= std::stoll(transaction_id);
    if (counts)
      replays.push_back(
          {id, merge.session_id, session.name, merge.parent_fingerprint, merge.after_fingerprint});
  }
  return replays;
}

Result<int64_t> ModelStore::CreateSweep() {
  if (chance_->Happens(faults_->commit_fails)) return Refused();
  SweepRow sweep;
  sweep.id = next_id_++;
  sweeps_[sweep.id] = sweep;
  return sweep.id;
}

struct ModelStore::Applier {
  ModelStore *store;

  void operator()(const SessionRow &row) const { store->Apply(row); }
  void operator()(const MigrationRow &row) const { store->Apply(row); }
  void operator()(const AttemptRow &row) const {
    store->sql_.try_emplace({row.migration_id, row.number}, row.sql);
  }
  void operator()(const MergeRow &row) const { store->Apply(row); }
  void operator()(const StepRow &row) const { store->Apply(row); }
  void operator()(const ConflictRow &) const {}
  void operator()(const KeptBranchRow &row) const {
    // As the table's ON CONFLICT has it.
    KeptBranchRow &known = store->kept_.try_emplace(row.branch_id, row).first->second;
    known.name = row.name;
    known.deleted = row.deleted;
    known.endpoint_id = row.endpoint_id;
    known.keep_until = row.keep_until;
  }
  void operator()(const SweepRow &row) const { store->sweeps_[row.id] = row; }
  void operator()(const SweepBranchRow &row) const { store->swept_[row.branch_id] = row; }
  void operator()(const CredentialRow &row) const {
    store->credentials_.erase(std::remove_if(store->credentials_.begin(), store->credentials_.end(),
                                             [&](const CredentialRow &known) {
                                               return known.project_id == row.project_id &&
                                                      known.session_id == row.session_id &&
                                                      known.pooled == row.pooled &&
                                                      known.access == row.access;
                                             }),
                              store->credentials_.end());
    store->credentials_.push_back(row);
  }
  void operator()(const DropCredentials &row) const {
    store->credentials_.erase(std::remove_if(store->credentials_.begin(), store->credentials_.end(),
                                             [&](const CredentialRow &known) {
                                               return known.project_id == row.project_id &&
                                                      known.session_id == row.session_id &&
                                                      (!row.access || known.access == *row.access);
                                             }),
                              store->credentials_.end());
  }
  void operator()(const SnapshotRow &row) const {
    store->snapshots_.emplace(row.fingerprint, row.objects);
  }
  void operator()(const RebaseRow &row) const {
    store->rebases_[row.session_id] = row;
    for (const auto &[key, attempt] : store->attempts_)
      if (!row.ended && attempt.session_id == row.session_id) store->earlier_.insert(key);
    if (row.ended) store->rebases_.erase(row.session_id);
  }
  void operator()(const ForkRow &row) const {
    if (row.anew) store->forks_.erase(row.session_id);
    ForkRow &known = store->forks_[row.session_id];
    known.session_id = row.session_id;
    if (!row.parent.empty()) known.parent = row.parent;
    if (!row.branch.empty()) known.branch = row.branch;
  }
  void operator()(const UndoPointRow &row) const { store->undo_points_[row.merge_id] = row; }
  void operator()(const UndoRow &row) const { store->Apply(row); }
  void operator()(const UpkeepRow &) const {}
  void operator()(const PreviewRow &) const {}  // nobody asks for one
  void operator()(const WaitRow &) const {}     // for people to read
  // Nobody mends migrations here.
  void operator()(const FixCallRow &) const {}
  void operator()(const RefusedFixRow &) const {}
  void operator()(const FixMemoryRow &) const {}
  void operator()(const DropRequest &row) const { store->requests_.erase(row.id); }
};

Status ModelStore::Commit(const Batch &batch) {
  if (chance_->Happens(faults_->commit_fails)) return Refused();
  undoing_.clear();
  for (const auto &[id, undo] : undos_) {
    if (IsOpen(undo)) undoing_.insert(undo.session_id);
  }
  for (const Mutation &mutation : batch.mutations) {
    if (const auto *undo = std::get_if<UndoRow>(&mutation)) undoing_.insert(undo->session_id);
  }
  for (const Mutation &mutation : batch.mutations)
    std::visit(Applier{this}, mutation);
  return Status();
}

void ModelStore::Apply(const SessionRow &row) {
  auto found = sessions_.find(row.id);
  if (found == sessions_.end()) {
    witness_->Violation("a session is saved that nobody created");
    return;
  }
  const SessionRow &before = found->second;
  std::string name = "session " + std::to_string(row.id);
  const bool undoes = row.finished && undoing_.count(row.id) > 0;
  if (before.finished && !undoes) witness_->Violation(name + " is changed after its end");
  if (before.state != row.state && !MayFollow(before.state, row.state)) {
    witness_->Violation(name + " goes from " + std::string(StateName(before.state)) + " to " +
                        std::string(StateName(row.state)));
  }
  const bool set_aside = rebases_.count(row.id) > 0 && row.state == SessionState::kQueued;
  if (!before.branch_id.empty() && before.branch_id != row.branch_id && !set_aside) {
    witness_->Violation(name + " changes its branch");
  }
  if (witness_->tracing()) {
    witness_->Note("commit " + name + ": " + std::string(StateName(row.state)) +
                   (row.goal == Goal::kNone ? "" : ", goal " + std::string(GoalName(row.goal))) +
                   (row.settled ? ", settled" : "") + (row.finished ? ", finished" : "") +
                   (row.pinned ? ", pinned" : "") +
                   (row.branch_id.empty() ? "" : ", " + row.branch_id) +
                   (row.error.empty() ? "" : ": " + row.error));
  }
  JudgeEnding(before, row);
  bool moved = before.state != row.state || before.goal != row.goal;
  if (moved && !row.finished) changed_at_[row.id] = clock_->UnixTime();
  // What only a backend writes stays as it was, as in the table.
  const int64_t created_at = before.created_at;
  found->second = row;
  found->second.created_at = created_at;
}

// Nobody ends a session but its owner, and its time.
void ModelStore::JudgeEnding(const SessionRow &before, const SessionRow &row) {
  bool ends = (row.goal == Goal::kExpire && before.goal != Goal::kExpire) ||
              (row.state == SessionState::kDiscarding && before.state != row.state);
  if (!ends || !IsOn(Trial::kDuty) || WasAsked(row.id, "discard")) return;
  SessionRow saved = row;  // with its end, and the time that its owner made it
  saved.created_at = before.created_at;
  if (IsDue(saved, clock_->UnixTime(), max_age) || IsDue(before, clock_->UnixTime(), max_age))
    return;
  bool was_due = before.goal == Goal::kExpire;  // and was extended, or the calendar set, since
  if (was_due) return;
  witness_->Violation("session " + std::to_string(row.id) + " is ended before its time");
}

void ModelStore::Apply(const MigrationRow &row) {
  MigrationRow &known = migrations_[row.id];
  const bool runs_again =
      known.status == MigrationStatus::kFailed || rebases_.count(row.session_id) > 0;
  bool renewed = runs_again && row.attempt > known.attempt;
  if (!IsOpen(known) && !renewed && known.status != row.status) {
    witness_->Violation("migration " + std::to_string(row.id) + " is changed after its end");
  }
  if (witness_->tracing()) {
    witness_->Note("commit migration " + std::to_string(row.id) + ": " +
                   std::string(MigrationStatusName(row.status)) + ", " +
                   std::to_string(row.statements_done) + " statements " + row.transaction_id +
                   row.seen_before);
  }
  if (!renewed && row.statements_done < known.statements_done) {
    witness_->Violation("migration " + std::to_string(row.id) + " goes back");
  }
  attempts_[{row.id, row.attempt}] = row;
  known = row;
}

void ModelStore::Apply(const MergeRow &row) {
  auto [found, added] = merges_.try_emplace(row.id, row);
  if (!added && !IsOpen(found->second)) {
    witness_->Violation("merge " + std::to_string(row.id) + " is changed after its end");
  }
  if (witness_->tracing()) {
    witness_->Note("commit merge " + std::to_string(row.id) + " of session " +
                   std::to_string(row.session_id) + ": " + row.status +
                   (row.accepted ? ", accepted" : "") +
                   (row.reason.empty() ? "" : ": " + row.reason));
  }
  // As the table's ON CONFLICT has it: what was asked for stays as it was.
  MergeRow saved = row;
  saved.strategy = found->second.strategy;
  saved.on_drift = found->second.on_drift;
  saved.on_unrecorded = found->second.on_unrecorded;
  found->second = std::move(saved);
}

void ModelStore::Apply(const UndoRow &row) {
  auto [found, added] = undos_.try_emplace(row.id, row);
  const std::string name = "undo " + std::to_string(row.id);
  if (!added && !IsOpen(found->second)) witness_->Violation(name + " is changed after its end");
  if (witness_->tracing()) {
    witness_->Note("commit " + name + " of session " + std::to_string(row.session_id) + ": " +
                   row.status + (row.forced ? ", forced" : "") +
                   (row.accepted ? ", accepted" : "") +
                   (row.reason.empty() ? "" : ": " + row.reason));
  }
  if (!IsOpen(row)) undo_ended_at_[row.id] = clock_->UnixTime();
  found->second = row;
}

bool ModelStore::HasOpenUndo(int64_t session_id) const {
  return std::any_of(undos_.begin(), undos_.end(), [&](const auto &one) {
    return one.second.session_id == session_id && IsOpen(one.second);
  });
}

int64_t ModelStore::undo_ended_at(int64_t undo_id) const {
  auto found = undo_ended_at_.find(undo_id);
  return found == undo_ended_at_.end() ? 0 : found->second;
}

void ModelStore::Apply(const StepRow &row) {
  if (witness_->tracing()) {
    witness_->Note("commit step " + std::to_string(row.id) + " of session " +
                   std::to_string(row.session_id) + ": " + std::string(StepKindName(row.kind)) +
                   " " + row.status + (row.outcome.empty() ? "" : ": " + row.outcome));
  }
  StepRow &known = steps_.try_emplace(row.id, row).first->second;
  known.status = row.status;
  known.outcome = row.outcome;
}

int64_t ModelStore::AddProject(ProjectRow row) {
  row.id = next_id_++;
  projects_[row.id] = row;
  return row.id;
}

int64_t ModelStore::AddSession(SessionRow row) {
  row.id = next_id_++;
  char uuid[48];
  snprintf(uuid, sizeof uuid, "%08x-0000-4000-8000-%012x", static_cast<unsigned>(row.id * 7919),
           static_cast<unsigned>(row.id));
  row.uuid = uuid;
  sessions_[row.id] = row;
  RequestRow request;
  request.kind = "create";
  request.project_id = row.project_id;
  request.session_id = row.id;
  AddRequest(request);
  return row.id;
}

void ModelStore::AddText(int64_t migration_id, int attempt, const std::string &what) {
  std::string text;
  int statement = 0;
  for (char c : what)
    text += c == '#' ? std::to_string(EffectId({migration_id, attempt, ++statement}))
                     : std::string(1, c);
  sql_[{migration_id, attempt}] = text;
}

void ModelStore::AddMigration(int64_t session_id, const std::string &what) {
  MigrationRow row;
  row.session_id = session_id;
  const MigrationRow *last = nullptr;
  for (const auto &[id, other] : migrations_) {
    if (other.session_id != session_id) continue;
    row.ordinal = std::max(row.ordinal, other.ordinal);
    if (other.status != MigrationStatus::kCancelled) last = &other;
  }
  RequestRow request;
  request.kind = "migrate";
  request.session_id = session_id;
  bool replaces = sessions_.at(session_id).state == SessionState::kFailed && last != nullptr &&
                  last->status == MigrationStatus::kFailed &&
                  sql_.count({last->id, last->attempt + 1}) == 0;
  if (replaces) {
    request.subject_id = last->id;
    request.attempt = last->attempt + 1;
  } else {
    row.id = next_id_++;
    ++row.ordinal;
    migrations_[row.id] = row;
    request.subject_id = row.id;
  }
  AddText(request.subject_id, request.attempt, what);
  AddRequest(request);
}

int64_t ModelStore::AddRequest(RequestRow row) {
  row.id = next_id_++;
  if (witness_->tracing()) {
    witness_->Note("user asks " + std::to_string(row.id) + ": " + row.kind + ", session " +
                   std::to_string(row.session_id));
  }
  requests_[row.id] = row;
  asked_.push_back(row);
  return row.id;
}

void ModelStore::RegisterAnew(int64_t project_id, int max_parallel) {
  projects_.at(project_id).max_parallel = max_parallel;
  RequestRow request;
  request.kind = "register";
  request.project_id = project_id;
  AddRequest(request);
}

void ModelStore::AddSweep(bool dry_run) {
  SweepRow sweep;
  sweep.id = next_id_++;
  sweep.dry_run = dry_run;
  sweeps_[sweep.id] = sweep;
  RequestRow request;
  request.kind = "reap";
  request.subject_id = sweep.id;
  request.dry_run = dry_run;
  AddRequest(request);
}

std::string ModelStore::ClassOf(const std::string &branch_id) const {
  auto found = swept_.find(branch_id);
  return found == swept_.end() ? std::string() : found->second.class_name;
}

bool ModelStore::HasRequest(int64_t session_id, const char *kind) const {
  return std::any_of(requests_.begin(), requests_.end(), [&](const auto &one) {
    return one.second.session_id == session_id && one.second.kind == kind;
  });
}

bool ModelStore::WasAsked(int64_t session_id, std::string_view kind) const {
  return std::any_of(asked_.begin(), asked_.end(), [&](const RequestRow &request) {
    return request.session_id == session_id && request.kind == kind;
  });
}

int64_t ModelStore::changed_at(int64_t session_id) const {
  auto found = changed_at_.find(session_id);
  return found == changed_at_.end() ? 0 : found->second;
}

bool ModelStore::IsDue(const SessionRow &session, int64_t when, int64_t max_age) const {
  return when >= session.expires_at || when >= session.created_at + max_age;
}

}  // namespace agent_branch::simulation
