// What the tables hold, as the core works with it, and the states of a session.
//
// One struct a table; only the columns that decide something. Times of day are seconds since
// 1970-01-01 UTC, 0 for null; when a thing happened is the store's to write, not the core's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/clock.hpp"
#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

enum class SessionState {
  kQueued,      // waits for one of the project's max_parallel places
  kCreating,    // the branch is being made
  kReady,       // nothing to do; the agent works on the branch
  kMigrating,   // a migration runs or waits its turn
  kMerging,     // the merge was asked for and is not decided yet
  kConflict,    // the merge was refused; the branch is there, the parent untouched
  kMerged,      // the parent is the branch's state; final
  kDiscarding,  // the branch is being deleted
  kDiscarded,   // final
  kExpired,     // final
  kFailed,      // something asked for did not work; the branch, if there is one, is there
};

std::string_view StateName(SessionState state);
std::optional<SessionState> ParseState(std::string_view name);
// kMerged, kDiscarded and kExpired.
bool IsFinal(SessionState state);
// The table of transitions; docs/states.md shows it, and a test holds the two equal.
bool MayFollow(SessionState from, SessionState to);

// What a session is to come to next; taken from a request, kept across a crash.
enum class Goal { kNone, kMerge, kRebase, kDiscard, kExpire };

std::string_view GoalName(Goal goal);  // "" for kNone
Goal ParseGoal(std::string_view name);

// An assertion that must hold before anything is merged: see merge/gates.hpp.
struct GateRow {
  std::string name;
  std::string sql;  // one query; empty: the gate only has limits
  milliseconds timeout{30'000};
  bool on_parent = false;  // asked of the parent as it is, instead of the branch
  // What the migrations may do at most, as measured when they ran on the branch.
  std::optional<int64_t> max_tables;
  std::optional<int64_t> max_rows_rewritten;
  std::optional<int64_t> max_rows_deleted;
  std::string strongest_lock;  // as PostgreSQL names it; empty: any
  std::optional<milliseconds> longest_lock;

  bool has_limits() const {
    return max_tables || max_rows_rewritten || max_rows_deleted || !strongest_lock.empty() ||
           longest_lock;
  }
};

// Whether the agent of a session gets a login role of its own on the branch.
enum class RoleIsolation {
  kOff,            // it has the project's role
  kWherePossible,  // where the branch's server does not let one be made, it has the project's
  kAlways,         // there, its session fails
};

struct ProjectRow {
  int64_t id = 0;
  std::string neon_id;
  std::string parent;
  std::string database;
  std::string role;
  std::string api_key_file;  // a name inside api_key_directory; empty: the setting's file
  int max_parallel = 4;
  double min_cu = 0.25;
  double max_cu = 1;
  int64_t undo_window = 0;  // seconds
  std::optional<int> max_pinned;
  milliseconds statement_timeout{600'000};
  milliseconds lock_timeout{30'000};
  std::string fixer = "llm";  // off, function, llm
  std::string fixer_function;
  bool paused = false;                    // by agent_project_pause(): nothing begins
  std::vector<std::string> refuse_risks;  // kinds, as RiskKindName() has them
  milliseconds replay_budget{10'000};     // `auto` replays what took less on the branch
  // Schemas that others look after: their changes are nobody's drift.
  std::vector<std::string> managed_schemas{"neon_auth"};
  bool drops_unrecorded = false;  // on_unrecorded is "drop"
  bool allow_pieces = false;      // migrations that are not one piece may run on the parent as such
  std::vector<GateRow> gates;     // by name
  RoleIsolation isolation = RoleIsolation::kOff;
  bool reads_parent = false;  // parent_access is "read_only"
};

struct SessionRow {
  int64_t id = 0;
  std::string uuid;
  int64_t project_id = 0;
  std::string name;
  std::string branch_name;
  std::optional<double> min_cu;
  std::optional<double> max_cu;
  SessionState state = SessionState::kQueued;
  Goal goal = Goal::kNone;
  bool settled = false;
  bool finished = false;
  std::string error;
  std::string error_hint;
  int64_t created_at = 0;
  int64_t expires_at = 0;
  std::string parent_branch_id;
  std::string parent_reset_at;
  std::string branch_id;
  std::string endpoint_id;
  int64_t branch_expires_at = 0;
  bool bare_compute = false;
  std::vector<std::string> operations;
  std::string base_fingerprint;
  bool pinned = false;
  int api_calls = 0;
  // The branch that has the agent's own login role, whose name is SessionRole(); empty: none.
  std::string role_branch_id;
  std::string shared_role;  // why the agent has the project's role instead; empty: it does not
};

// The login role of the session's agent.
std::string SessionRole(const SessionRow &session);

// kRepairing: its text failed, and another one is looked for.
enum class MigrationStatus { kQueued, kRunning, kRepairing, kApplied, kFailed, kCancelled };

std::string_view MigrationStatusName(MigrationStatus status);
std::optional<MigrationStatus> ParseMigrationStatus(std::string_view name);

// A migration with its current attempt. An attempt is a text: the one that was asked for first, or
// one that came in the place of a text that failed.
struct MigrationRow {
  int64_t id = 0;
  int64_t session_id = 0;
  int ordinal = 0;
  MigrationStatus status = MigrationStatus::kQueued;
  int attempt = 1;
  std::string made_by;  // of the attempt's text; empty: the agent
  std::string fixer;    // what the fixer did about it, for people
  // Of the segment under way (see segments.hpp): what decides whether it had its effect when nobody
  // told. The id is noted before COMMIT is sent; what was there, before a statement is that runs
  // alone.
  std::string transaction_id;
  std::string seen_before;
  int64_t segment_rows = 0;
  std::string segment_record;  // a JSON object, see branch/record.hpp, with its transaction's id
  // Those of the segments that are in effect, a comma between them.
  std::string record;

  int statements = 0;                  // of the text; 0: it was not read yet
  int statements_done = 0;             // those in effect on the branch, from the first
  int64_t rows = 0;                    // inserted, updated, deleted by them
  std::vector<int> non_transactional;  // numbers of the statements that run alone, from 1
  std::string risks;                   // a JSON array; empty: they were not looked at yet
  int statement = 0;                   // that failed, from 1; 0: it is not known which
  ServerError error;

  // Whether it may be in effect though nobody said so.
  bool may_be_in_effect() const {
    return status == MigrationStatus::kRunning && (!transaction_id.empty() || !seen_before.empty());
  }
};

// A text in the place of one that failed.
struct AttemptRow {
  int64_t migration_id = 0;
  int number = 0;
  std::string sql;
  std::string made_by;  // agent, or what repaired it
  int64_t session_id = 0;
};

struct MergeRow {
  int64_t id = 0;  // the request's
  int64_t session_id = 0;
  std::string strategy;
  std::string on_drift;
  std::string on_unrecorded = "fail";
  std::string status = "queued";
  // What is done, and why that: nothing, replay, restore, candidate, pieces. Empty: not decided
  // yet.
  std::string chosen;
  std::string chosen_reason;
  // Of the replay's transaction on the parent, an xid8: noted before its COMMIT is sent. It means
  // something in the history that parent_reset_at begins.
  std::string transaction_id;
  std::string certificate;  // a JSON object: what was compared, and what was done
  std::string gates;        // a JSON array: what was asked and answered; empty: nothing was
  // Of a restore, a JSON object: what the backup shows of the moment of the restore; empty: it was
  // not looked at.
  std::string checked;
  // Of a merge piece by piece, a JSON array: what each piece is, and what became of it.
  std::string pieces;
  std::string after_fingerprint;  // of a replay: the parent's, before its COMMIT
  bool accepted = false;          // Neon took the restore
  int candidates = 0;             // branches that were made anew for it
  std::string base_fingerprint;
  std::string parent_fingerprint;
  std::string parent_reset_at;
  std::string backup_name;
  std::string backup_branch_id;
  std::string reason;
};

// Where both sides stood when a session's branch was made: what kStandpoint answered. Empty: nobody
// could tell. Saving an empty text keeps what was there.
struct ForkRow {
  int64_t session_id = 0;
  bool anew = false;   // the branch is about to be made again: what was noted is forgotten
  std::string parent;  // right before
  std::string branch;  // right after, before anybody worked there
};

// A session whose branch is being made anew from the parent as it is now, with its migrations run
// there again.
struct RebaseRow {
  int64_t session_id = 0;
  std::string branch_id;           // the branch before, which is kept until the rebase is done
  std::string base_fingerprint;    // of that branch when it was made
  std::string branch_fingerprint;  // and when it was set aside
  bool ended = false;
};

// What an undo of a merge goes back to, and where the parent stood: noted when it was merged, if
// the project has an undo_window.
struct UndoPointRow {
  int64_t merge_id = 0;
  int64_t session_id = 0;
  std::string backup_name;
  std::string backup_branch_id;
  // JSON objects. What is written later than this (a standpoint) was written after the merge, but
  // for what `record` tells, of a replay; deletions are held against `statistics`, a standpoint,
  // too.
  std::string standpoint;
  std::string statistics;
  std::string record;
  std::string parent_reset_at;  // the parent's last_reset_at as the merge left it
  int64_t until = 0;
  std::string why_not;  // empty: the merge can be undone
};

// An undo of a merge, which is carried out by the session that was merged, though that is finished.
struct UndoRow {
  int64_t id = 0;  // the request's
  int64_t merge_id = 0;
  int64_t session_id = 0;
  bool forced = false;
  std::string requested_by;
  std::string status = "queued";  // queued, running, undone, refused, failed
  std::string parent_reset_at;    // before the restore
  std::string preserved_name;     // of the parent as it was before: that it exists proves the undo
  std::string preserved_branch_id;
  bool accepted = false;          // Neon took the restore
  std::vector<std::string> lost;  // what was written since the merge
  std::string reason;             // why it was refused, or failed
};

struct ConflictRow {
  int64_t merge_id = 0;
  int64_t session_id = 0;
  std::string object;
  std::string change;  // added, changed, dropped, restored, depends; of a gate: refused, failed
  std::string base_hash;
  std::string branch_hash;
  std::string parent_hash;
  // For people, as far as they can be told; empty: there is no such object.
  std::string base_definition;
  std::string branch_definition;
  std::string parent_definition;
  std::string depends_on;       // what the other side changed; of change "depends"
  std::string counterexamples;  // of a gate: a JSON array of rows
};

enum class StepKind {
  kCreateBranch,
  kMigrate,
  kSetExpiry,
  kRestore,
  kReplay,
  kDeleteBranch,
  kRenameBranch,
  kSuspendCompute,
  kStartCompute,
  kAskFixer,
  kBackUp,    // a branch of the parent is made before a replay
  kUndo,      // the parent is restored from a backup
  kRunPiece,  // one of several transactions, or a statement alone, on the parent
  kMakeRole,  // the agent's login role, on its branch; or the readers', on the parent
  kDropRole
};

// Doing it again does no harm, and what is still to be done is known from other rows.
bool IsDoneAgain(StepKind kind);
std::string_view StepKindName(StepKind kind);
std::optional<StepKind> ParseStepKind(std::string_view name);

struct StepRow {
  int64_t id = 0;
  int64_t project_id = 0;
  int64_t session_id = 0;
  StepKind kind = StepKind::kCreateBranch;
  std::string target;
  std::string status = "intended";  // intended, done, refused
  std::string outcome;
  std::string request_id;  // of the call's last request, by Neon or by us
};

struct KeptBranchRow {
  int64_t project_id = 0;
  int64_t session_id = 0;  // 0: an orphan
  std::string branch_id;
  std::string name;
  std::string kind;  // pinned, backup, orphan, rebased
  int64_t keep_until = 0;
  std::string endpoint_id;  // of a compute that may be active; empty: there is none
  bool deleted = false;
  bool holds_parent = false;  // the parent hangs under it, as was seen last; forgotten by a crash
};

// What keeps a project's upkeep from its work, if anything does.
struct UpkeepRow {
  int64_t project_id = 0;
  int64_t swept_at = 0;  // when a sweep last saw the project whole
  std::string error;     // of the sweep since then; empty: none
  int64_t error_since = 0;
};

struct SweepRow {
  int64_t id = 0;
  bool dry_run = false;
  bool started = false;
  bool finished = false;
  std::string error;
};

struct SweepBranchRow {
  int64_t sweep_id = 0;
  int64_t project_id = 0;
  std::string branch_id;
  std::string name;
  std::string parent_id;
  std::string class_name;
  std::string action;
  int64_t session_id = 0;
  int64_t created_at = 0;
  int64_t expires_at = 0;
  int children = 0;
  std::optional<int64_t> logical_size;  // bytes
  int64_t compute_seconds = 0;          // CU-seconds
};

// The answer to agent_merge_preview(), for the backend that waits for it.
struct PreviewRow {
  int64_t ticket = 0;  // the request's, which is in shared memory and in no table
  int64_t session_id = 0;
  std::string result;  // a JSON object; one with "error" says why there is no preview
};

struct RequestRow {
  int64_t id = 0;
  std::string kind;  // register, create, migrate, merge, discard, extend, reap, preview
  int64_t project_id = 0;
  int64_t session_id = 0;
  int64_t subject_id = 0;     // preview: the ticket
  std::string strategy;       // merge, preview
  std::string on_drift;       // merge, preview
  std::string on_unrecorded;  // merge, preview
  int64_t expires_at = 0;     // extend
  int attempt = 1;            // migrate: which text of the migration
  bool dry_run = false;       // reap
  bool force = false;         // undo; its subject is the merge
  std::string requested_by;   // undo: the role's name
};

}  // namespace agent_branch
