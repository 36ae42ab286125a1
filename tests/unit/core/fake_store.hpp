// The tables, in memory: as the worker's store reads and writes them, and as SQL functions do.
//
// Every commit is looked at: a session's state may only change as MayFollow() says, a finished
// session stays as it is, a step is closed once.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "worker/core/state/store.hpp"

namespace agent_branch {

class FakeStore : public Store {
 public:
  FakeStore();

  Result<StoreSnapshot> Load() override;
  Result<Intake> ReadRequests() override;
  Result<std::string> MigrationSql(int64_t migration_id, int attempt) override;
  Result<std::optional<Script>> MigrationScript(int64_t migration_id, int attempt) override;
  Result<std::string> SnapshotObjects(const std::string &fingerprint) override;
  Result<std::vector<AppliedMigration>> AppliedMigrations(int64_t session_id) override;
  Result<ForkRow> Fork(int64_t session_id) override;
  Result<std::optional<UndoPointRow>> UndoPoint(int64_t merge_id) override;
  Result<std::vector<DoneReplay>> ReplaysSince(int64_t project_id,
                                               const std::string &parent_reset_at,
                                               const std::string &transaction_id) override;
  Result<int64_t> CreateSweep() override;
  Status Commit(const Batch &batch) override;

  // What SQL functions do. Sessions of the project 1, which is there from the start.
  int64_t CreateSession(const std::string &name, int64_t expires_at, int64_t created_at = 0);
  int64_t Migrate(int64_t session_id, const std::string &sql);
  // Another text in the place of a migration that failed.
  void Replace(int64_t migration_id, const std::string &sql);
  int64_t Merge(int64_t session_id, const std::string &strategy = "restore",
                const std::string &on_drift = "fail", const std::string &on_unrecorded = "fail");
  void Rebase(int64_t session_id);
  void Rotate(int64_t session_id);
  // Of the session's last merge.
  int64_t Undo(int64_t session_id, bool force = false);
  void Discard(int64_t session_id);
  void Extend(int64_t session_id, int64_t expires_at);
  int64_t Reap(bool dry_run = false);

  const MergeRow &MergeOf(int64_t session_id) const;
  std::vector<StepRow> StepsOf(int64_t session_id) const;
  std::vector<std::string> StatesOf(int64_t session_id) const;
  void LoseCredentials() { credentials.clear(); }

  std::map<int64_t, ProjectRow> projects;
  std::map<int64_t, SessionRow> sessions;
  std::map<int64_t, MigrationRow> migrations;
  std::map<std::pair<int64_t, int>, std::string> sql;  // by migration and attempt
  std::map<std::pair<int64_t, int>, Script> scripts;   // the same, where one was read
  std::map<int64_t, MergeRow> merges;
  std::vector<ConflictRow> conflicts;
  std::map<int64_t, StepRow> steps;
  std::map<std::string, KeptBranchRow> kept;
  std::map<int64_t, SweepRow> sweeps;
  std::vector<SweepBranchRow> sweep_branches;
  std::map<int64_t, UpkeepRow> upkeep;  // by project
  std::vector<CredentialRow> credentials;
  std::map<std::string, std::string> snapshots;
  std::map<int64_t, RebaseRow> rebases;         // by session
  std::map<int64_t, ForkRow> forks;             // by session
  std::map<int64_t, UndoPointRow> undo_points;  // by merge
  std::map<int64_t, UndoRow> undos;
  std::map<int64_t, std::string> waits;     // by session; "": over
  std::map<int64_t, std::string> previews;  // by ticket
  std::vector<RequestRow> requests;
  std::vector<RequestRow> questions;  // about previews: in no table, and taken once
  bool requests_due = false;
  int commits = 0;
  Status failure;  // what reads of texts and commits say, unless ok()

 private:
  struct Writer;
  RequestRow &Request(const std::string &kind, int64_t session_id);
  int64_t NextId() { return next_id_++; }
  bool HasOpenUndo(int64_t session_id) const;

  std::map<int64_t, std::vector<SessionState>> states_;
  int64_t next_id_ = 1;
};

}  // namespace agent_branch
