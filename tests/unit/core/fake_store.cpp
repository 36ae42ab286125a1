#include "tests/unit/core/fake_store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace agent_branch {
namespace {

// What is for people to read is not loaded.
MigrationRow AsLoaded(MigrationRow migration) {
  migration.statements = migration.statement = 0;
  migration.non_transactional.clear();
  migration.risks.clear();
  migration.error = ServerError();
  return migration;
}

}  // namespace

FakeStore::FakeStore() {
  ProjectRow project;
  project.id = 1;
  project.neon_id = "p1";
  project.parent = "dev";
  project.database = "shop";
  project.role = "owner";
  projects[1] = project;
}

Result<StoreSnapshot> FakeStore::Load() {
  StoreSnapshot snapshot;
  snapshot.installation_id = "installation-1";
  for (const auto &[id, row] : projects)
    snapshot.projects.push_back(row);
  for (const auto &[id, row] : sessions) {
    if (!row.finished || HasOpenUndo(id)) snapshot.sessions.push_back(row);
  }
  for (const auto &[id, row] : migrations) {
    bool open = row.status == MigrationStatus::kQueued || row.status == MigrationStatus::kRunning ||
                row.status == MigrationStatus::kRepairing;
    if (open) snapshot.migrations.push_back(AsLoaded(row));
  }
  for (const auto &[id, row] : merges) {
    if (row.status != "queued" && row.status != "running") continue;
    snapshot.merges.push_back(row);
    snapshot.merges.back().reason.clear();
  }
  for (const auto &[id, row] : rebases)
    snapshot.rebases.push_back(row);
  for (const auto &[id, row] : undos) {
    if (row.status == "queued" || row.status == "running") snapshot.undos.push_back(row);
  }
  for (const MergeRow &merge : snapshot.merges) {
    if (undo_points.count(merge.id) > 0) snapshot.undo_points.push_back(undo_points.at(merge.id));
  }
  for (const auto &[id, row] : steps) {
    snapshot.last_step_id = id;
    if (row.status == "intended") snapshot.steps.push_back(row);
  }
  for (const auto &[id, row] : kept) {
    if (!row.deleted) snapshot.kept.push_back(row);
  }
  for (const auto &[id, row] : sweeps) {
    bool asked = std::any_of(requests.begin(), requests.end(), [id = id](const auto &request) {
      return request.kind == "reap" && request.subject_id == id;
    });
    if (!row.finished && !asked) snapshot.sweeps.push_back(row);
  }
  snapshot.credentials = credentials;
  return snapshot;
}

Result<Intake> FakeStore::ReadRequests() {
  Intake intake;
  intake.requests = requests;
  for (const RequestRow &request : requests) {
    if (request.kind == "create") {
      intake.projects.push_back(projects.at(sessions.at(request.session_id).project_id));
      intake.sessions.push_back(sessions.at(request.session_id));
    }
    if (request.kind == "undo") intake.sessions.push_back(sessions.at(request.session_id));
    if (request.kind == "migrate") intake.migrations.push_back(migrations.at(request.subject_id));
    if (request.kind == "reap") intake.sweeps.push_back(sweeps.at(request.subject_id));
  }
  intake.requests.insert(intake.requests.end(), questions.begin(), questions.end());
  questions.clear();
  return intake;
}

Result<std::string> FakeStore::MigrationSql(int64_t migration_id, int attempt) {
  if (!failure.ok()) return failure;
  return sql.at({migration_id, attempt});
}

Result<std::optional<Script>> FakeStore::MigrationScript(int64_t migration_id, int attempt) {
  if (!failure.ok()) return failure;
  const auto found = scripts.find({migration_id, attempt});
  if (found == scripts.end()) return std::optional<Script>();
  return std::optional<Script>(found->second);
}

Result<std::string> FakeStore::SnapshotObjects(const std::string &fingerprint) {
  if (!failure.ok()) return failure;
  auto found = snapshots.find(fingerprint);
  return found == snapshots.end() ? "{}" : found->second;
}

Result<std::vector<AppliedMigration>> FakeStore::AppliedMigrations(int64_t session_id) {
  std::map<int, AppliedMigration> applied;
  for (const auto &[id, row] : migrations) {
    if (row.session_id != session_id || row.status != MigrationStatus::kApplied) continue;
    const std::string record = row.record.empty() ? "" : "[" + row.record + "]";
    applied[row.ordinal] = {id, row.attempt, row.ordinal, sql.at({id, row.attempt}), record};
  }
  std::vector<AppliedMigration> all;
  for (auto &[ordinal, migration] : applied)
    all.push_back(std::move(migration));
  return all;
}

Result<ForkRow> FakeStore::Fork(int64_t session_id) {
  auto found = forks.find(session_id);
  return found == forks.end() ? ForkRow{session_id, false, {}, {}} : found->second;
}

Result<std::optional<UndoPointRow>> FakeStore::UndoPoint(int64_t merge_id) {
  auto found = undo_points.find(merge_id);
  if (found == undo_points.end()) return std::optional<UndoPointRow>();
  return std::optional<UndoPointRow>(found->second);
}

Result<std::vector<DoneReplay>> FakeStore::ReplaysSince(int64_t project_id,
                                                        const std::string &parent_reset_at,
                                                        const std::string &transaction_id) {
  std::vector<DoneReplay> replays;
  for (const auto &[id, merge] : merges) {
    const SessionRow &session = sessions.at(merge.session_id);
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

bool FakeStore::HasOpenUndo(int64_t session_id) const {
  return std::any_of(undos.begin(), undos.end(), [&](const auto &one) {
    const UndoRow &undo = one.second;
    return undo.session_id == session_id && (undo.status == "queued" || undo.status == "running");
  });
}

Result<int64_t> FakeStore::CreateSweep() {
  int64_t id = NextId();
  sweeps[id].id = id;
  return id;
}

struct FakeStore::Writer {
  FakeStore &store;
  std::set<int64_t> was_undoing;  // sessions with an undo that this commit begins, or ends

  void operator()(const SessionRow &row) const {
    SessionRow &before = store.sessions.at(row.id);
    EXPECT_TRUE(!before.finished || (row.finished && was_undoing.count(row.id) > 0))
        << "session " << row.id << " was finished";
    if (before.state != row.state) {
      EXPECT_TRUE(MayFollow(before.state, row.state))
          << "from " << StateName(before.state) << " to " << StateName(row.state);
      store.states_[row.id].push_back(row.state);
    }
    before = row;
  }
  void operator()(const MigrationRow &row) const { store.migrations.at(row.id) = row; }
  void operator()(const AttemptRow &row) const {
    store.sql.try_emplace({row.migration_id, row.number}, row.sql);
  }
  void operator()(const MergeRow &row) const {
    MergeRow &known = store.merges.try_emplace(row.id, row).first->second;
    MergeRow saved = row;
    saved.strategy = known.strategy;
    saved.on_drift = known.on_drift;
    saved.on_unrecorded = known.on_unrecorded;
    known = saved;
  }
  void operator()(const ConflictRow &row) const { store.conflicts.push_back(row); }
  void operator()(const StepRow &row) const {
    auto [found, added] = store.steps.try_emplace(row.id, row);
    if (added) {
      EXPECT_EQ(row.status, "intended");
      return;
    }
    EXPECT_EQ(found->second.status, "intended") << "step " << row.id << " was closed";
    found->second = row;
  }
  void operator()(const KeptBranchRow &row) const {
    KeptBranchRow &known = store.kept.try_emplace(row.branch_id, row).first->second;
    known.name = row.name;
    known.deleted = row.deleted;
    known.endpoint_id = row.endpoint_id;
    known.keep_until = row.keep_until;
  }
  void operator()(const SweepRow &row) const { store.sweeps.at(row.id) = row; }
  void operator()(const SweepBranchRow &row) const { store.sweep_branches.push_back(row); }
  void operator()(const CredentialRow &row) const {
    Drop(row.project_id, row.session_id, row.pooled, row.access);
    store.credentials.push_back(row);
  }
  void operator()(const DropCredentials &row) const {
    Drop(row.project_id, row.session_id, false, row.access);
    Drop(row.project_id, row.session_id, true, row.access);
  }
  void operator()(const SnapshotRow &row) const {
    store.snapshots.emplace(row.fingerprint, row.objects);
  }
  void operator()(const RebaseRow &row) const {
    if (row.ended)
      store.rebases.erase(row.session_id);
    else
      store.rebases[row.session_id] = row;
  }
  void operator()(const ForkRow &row) const {
    if (row.anew) store.forks.erase(row.session_id);
    ForkRow &known = store.forks[row.session_id];
    known.session_id = row.session_id;
    if (!row.parent.empty()) known.parent = row.parent;
    if (!row.branch.empty()) known.branch = row.branch;
  }
  void operator()(const UndoPointRow &row) const { store.undo_points[row.merge_id] = row; }
  void operator()(const UndoRow &row) const { store.undos[row.id] = row; }
  void operator()(const UpkeepRow &row) const { store.upkeep[row.project_id] = row; }
  void operator()(const PreviewRow &row) const { store.previews[row.ticket] = row.result; }
  void operator()(const WaitRow &row) const { store.waits[row.session_id] = row.waits_for; }
  // Nobody mends migrations here.
  void operator()(const FixCallRow &) const {}
  void operator()(const RefusedFixRow &) const {}
  void operator()(const FixMemoryRow &) const {}
  void operator()(const DropRequest &row) const {
    auto &all = store.requests;
    all.erase(std::remove_if(all.begin(), all.end(),
                             [&](const RequestRow &request) { return request.id == row.id; }),
              all.end());
  }
  void Drop(int64_t project_id, int64_t session_id, bool pooled,
            const std::optional<std::string> &access) const {
    auto &all = store.credentials;
    all.erase(std::remove_if(all.begin(), all.end(),
                             [&](const CredentialRow &known) {
                               return known.project_id == project_id &&
                                      known.session_id == session_id && known.pooled == pooled &&
                                      (!access || known.access == *access);
                             }),
              all.end());
  }
};

Status FakeStore::Commit(const Batch &batch) {
  if (!failure.ok()) return failure;
  Writer writer{*this, {}};
  for (const auto &[id, session] : sessions)
    if (HasOpenUndo(id)) writer.was_undoing.insert(id);
  for (const Mutation &mutation : batch.mutations) {
    const UndoRow *undo = std::get_if<UndoRow>(&mutation);
    if (undo != nullptr) writer.was_undoing.insert(undo->session_id);
  }
  for (const Mutation &mutation : batch.mutations)
    std::visit(writer, mutation);
  ++commits;
  return {};
}

RequestRow &FakeStore::Request(const std::string &kind, int64_t session_id) {
  RequestRow request;
  request.id = NextId();
  request.kind = kind;
  request.session_id = session_id;
  requests.push_back(request);
  requests_due = true;
  return requests.back();
}

int64_t FakeStore::CreateSession(const std::string &name, int64_t expires_at, int64_t created_at) {
  SessionRow session;
  session.id = NextId();
  session.uuid = std::to_string(10'000'000 + session.id) + "-0000-4000-8000-000000000000";
  session.project_id = 1;
  session.name = name;
  session.branch_name = "agent/" + name;
  session.created_at = created_at != 0 ? created_at : expires_at - 3'600;
  session.expires_at = expires_at;
  sessions[session.id] = session;
  states_[session.id] = {SessionState::kQueued};
  Request("create", session.id).project_id = 1;
  return session.id;
}

int64_t FakeStore::Migrate(int64_t session_id, const std::string &text) {
  MigrationRow migration;
  migration.id = NextId();
  migration.session_id = session_id;
  migration.ordinal = 1;
  for (const auto &[id, row] : migrations)
    migration.ordinal += row.session_id == session_id ? 1 : 0;
  migrations[migration.id] = migration;
  sql[{migration.id, 1}] = text;
  Request("migrate", session_id).subject_id = migration.id;
  return migration.id;
}

void FakeStore::Replace(int64_t migration_id, const std::string &text) {
  const MigrationRow &migration = migrations.at(migration_id);
  sql[{migration_id, migration.attempt + 1}] = text;
  RequestRow &request = Request("migrate", migration.session_id);
  request.subject_id = migration_id;
  request.attempt = migration.attempt + 1;
}

int64_t FakeStore::Merge(int64_t session_id, const std::string &strategy,
                         const std::string &on_drift, const std::string &on_unrecorded) {
  RequestRow &request = Request("merge", session_id);
  request.strategy = strategy;
  request.on_drift = on_drift;
  request.on_unrecorded = on_unrecorded;
  return request.id;
}

void FakeStore::Discard(int64_t session_id) {
  Request("discard", session_id);
}

void FakeStore::Rebase(int64_t session_id) {
  Request("rebase", session_id);
}

void FakeStore::Rotate(int64_t session_id) {
  Request("rotate", session_id);
}

int64_t FakeStore::Undo(int64_t session_id, bool force) {
  RequestRow &request = Request("undo", session_id);
  request.subject_id = MergeOf(session_id).id;
  request.force = force;
  request.requested_by = "somebody";
  return request.id;
}

void FakeStore::Extend(int64_t session_id, int64_t expires_at) {
  Request("extend", session_id).expires_at = expires_at;
}

int64_t FakeStore::Reap(bool dry_run) {
  SweepRow sweep;
  sweep.id = NextId();
  sweep.dry_run = dry_run;
  sweeps[sweep.id] = sweep;
  Request("reap", 0).subject_id = sweep.id;
  return sweep.id;
}

const MergeRow &FakeStore::MergeOf(int64_t session_id) const {
  static const MergeRow kNone;
  const MergeRow *last = &kNone;
  for (const auto &[id, row] : merges) {
    if (row.session_id == session_id) last = &row;
  }
  return *last;
}

std::vector<StepRow> FakeStore::StepsOf(int64_t session_id) const {
  std::vector<StepRow> found;
  for (const auto &[id, row] : steps) {
    if (row.session_id == session_id) found.push_back(row);
  }
  return found;
}

std::vector<std::string> FakeStore::StatesOf(int64_t session_id) const {
  std::vector<std::string> names;
  for (SessionState state : states_.at(session_id))
    names.emplace_back(StateName(state));
  return names;
}

}  // namespace agent_branch
