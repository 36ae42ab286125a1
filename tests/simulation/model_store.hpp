// The control database: tables in memory, which outlive the worker. A batch is applied whole or not
// at all.
//
// The rules that the rows must keep to by themselves are judged here, at each commit.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/chance.hpp"
#include "tests/simulation/faults.hpp"
#include "tests/simulation/trials.hpp"
#include "tests/simulation/witness.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch::simulation {

class ModelStore : public Store {
 public:
  ModelStore(const VirtualClock *clock, Chance *chance, Witness *witness, const Faults *faults)
      : clock_(clock), chance_(chance), witness_(witness), faults_(faults) {}

  // As the worker's setting has it, in seconds.
  int64_t max_age = 0;

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

  // What backends do.
  int64_t AddProject(ProjectRow row);
  int64_t AddSession(SessionRow row);
  // In the place of the last migration, where a session failed for that. Each # of the text becomes
  // the number of an effect, which EffectOf() takes apart.
  void AddMigration(int64_t session_id, const std::string &what);
  int64_t AddRequest(RequestRow row);
  void AddSweep(bool dry_run);
  void RegisterAnew(int64_t project_id, int max_parallel);
  // The unlogged table is empty after the server's crash.
  void LoseCredentials() { credentials_.clear(); }

  const std::map<int64_t, ProjectRow> &projects() const { return projects_; }
  const std::map<int64_t, SessionRow> &sessions() const { return sessions_; }
  const std::map<int64_t, MigrationRow> &migrations() const { return migrations_; }
  // What each attempt came to, by migration and number.
  const std::map<std::pair<int64_t, int>, MigrationRow> &attempts() const { return attempts_; }
  const std::string &sql(const std::pair<int64_t, int> &attempt) const { return sql_.at(attempt); }
  const std::map<int64_t, MergeRow> &merges() const { return merges_; }
  const std::map<int64_t, StepRow> &steps() const { return steps_; }
  const std::map<std::string, KeptBranchRow> &kept() const { return kept_; }
  const std::map<int64_t, SweepRow> &sweeps() const { return sweeps_; }
  const std::map<int64_t, UndoPointRow> &undo_points() const { return undo_points_; }
  const std::map<int64_t, UndoRow> &undos() const { return undos_; }
  // By the worker's calendar, when the undo ended, in whatever way.
  int64_t undo_ended_at(int64_t undo_id) const;
  const std::map<int64_t, RequestRow> &requests() const { return requests_; }
  // Every request that was ever made, taken or not.
  const std::vector<RequestRow> &asked() const { return asked_; }
  bool WasAsked(int64_t session_id, std::string_view kind) const;
  // The attempt at a migration was made before its session was rebased.
  bool IsOfEarlierBranch(const std::pair<int64_t, int> &attempt) const {
    return earlier_.count(attempt) > 0;
  }
  // By the worker's calendar, when the session went to the state or the goal that it has.
  int64_t changed_at(int64_t session_id) const;
  // Whether a session may be ended at this time though nobody asks for it.
  bool IsDue(const SessionRow &session, int64_t when, int64_t max_age) const;
  // What the last sweep to speak of it said that the branch is; "" for none.
  std::string ClassOf(const std::string &branch_id) const;
  bool HasRequest(int64_t session_id, const char *kind) const;

 private:
  struct Applier;

  void Apply(const SessionRow &row);
  void JudgeEnding(const SessionRow &before, const SessionRow &row);
  void Apply(const MigrationRow &row);
  void AddText(int64_t migration_id, int attempt, const std::string &what);
  void Apply(const MergeRow &row);
  void Apply(const UndoRow &row);
  bool HasOpenUndo(int64_t session_id) const;
  void Apply(const StepRow &row);

  const VirtualClock *clock_;
  Chance *chance_;
  Witness *witness_;
  const Faults *faults_;
  std::map<int64_t, ProjectRow> projects_;
  std::map<int64_t, SessionRow> sessions_;
  std::map<int64_t, MigrationRow> migrations_;
  std::map<std::pair<int64_t, int>, MigrationRow> attempts_;
  std::map<std::pair<int64_t, int>, std::string> sql_;
  std::map<std::pair<int64_t, int>, Script> scripts_;
  std::map<int64_t, MergeRow> merges_;
  std::map<int64_t, StepRow> steps_;
  std::map<std::string, KeptBranchRow> kept_;
  std::map<int64_t, SweepRow> sweeps_;
  std::map<int64_t, RequestRow> requests_;
  std::vector<RequestRow> asked_;
  std::map<int64_t, int64_t> changed_at_;
  std::map<std::string, std::string> snapshots_;
  std::set<std::pair<int64_t, int>> earlier_;
  std::map<int64_t, RebaseRow> rebases_;         // by session
  std::map<int64_t, ForkRow> forks_;             // by session
  std::map<int64_t, UndoPointRow> undo_points_;  // by merge
  std::map<int64_t, UndoRow> undos_;
  std::map<int64_t, int64_t> undo_ended_at_;
  std::set<int64_t> undoing_;  // sessions with an undo that is open before or after a commit
  std::map<std::string, SweepBranchRow> swept_;
  std::vector<CredentialRow> credentials_;
  int64_t next_id_ = 1;
};

}  // namespace agent_branch::simulation
