// Where the core's state is kept: the tables, behind an interface.
//
// The core writes by filling a Batch; whoever runs the loop commits it in one transaction, and only
// then lets the actions go that wait for it. Reads return what is committed. An implementation may
// block for as long as a local transaction takes, and no longer.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "worker/core/base/secret.hpp"
#include "worker/core/base/status.hpp"
#include "worker/core/fixer/fix_rows.hpp"
#include "worker/core/script/script.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch {

struct CredentialRow {
  int64_t project_id = 0;
  int64_t session_id = 0;  // 0: the project's parent
  bool pooled = false;
  Secret uri;
  std::string branch_id;  // of the branch that the URI leads to
  // For whom: empty for whoever may ask for it, "worker" for nobody else, "reader" for whom the
  // parent may be read by. There is one for each.
  std::string access = {};
};

struct DropCredentials {  // of a session, or of a project's parent when session_id is 0
  int64_t project_id = 0;
  int64_t session_id = 0;
  std::optional<std::string> access = {};  // of this kind only
};

// What a session has waited for, for longer than a moment; empty: nothing any more.
struct WaitRow {
  int64_t session_id = 0;
  std::string waits_for;
};

struct SnapshotRow {
  std::string fingerprint;
  std::string objects;  // JSON
};

struct DropRequest {
  int64_t id = 0;
};

// Saving replaces what the row with that key held before.
using Mutation =
    std::variant<SessionRow, MigrationRow, AttemptRow, MergeRow, ConflictRow, StepRow,
                 KeptBranchRow, SweepRow, SweepBranchRow, UpkeepRow, CredentialRow, DropCredentials,
                 SnapshotRow, ForkRow, RebaseRow, WaitRow, DropRequest, FixCallRow, RefusedFixRow,
                 FixMemoryRow, PreviewRow, UndoPointRow, UndoRow>;

struct Batch {
  std::vector<Mutation> mutations;
};

// What an unfinished world consists of.
struct StoreSnapshot {
  std::string installation_id;
  std::vector<std::string> former_installations;  // whose branches are ours too
  int64_t last_step_id = 0;
  std::vector<ProjectRow> projects;
  std::vector<SessionRow> sessions;       // not finished, or with an undo that is not
  std::vector<MigrationRow> migrations;   // queued or running
  std::vector<MergeRow> merges;           // queued or running
  std::vector<RebaseRow> rebases;         // under way
  std::vector<UndoRow> undos;             // queued or running; their sessions are there, too
  std::vector<UndoPointRow> undo_points;  // of the merges
  std::vector<StepRow> steps;             // intended
  std::vector<KeptBranchRow> kept;        // not deleted
  std::vector<SweepRow> sweeps;           // not finished
  std::vector<CredentialRow> credentials;
};

// Requests not seen before, with the rows that they are about.
struct Intake {
  std::vector<RequestRow> requests;  // in the order of their ids
  std::vector<ProjectRow> projects;
  std::vector<SessionRow> sessions;
  std::vector<MigrationRow> migrations;
  std::vector<SweepRow> sweeps;
};

// A migration that is in effect on its session's branch, as it ran there.
struct AppliedMigration {
  int64_t id = 0;
  int attempt = 1;
  int ordinal = 0;
  std::string sql;  // of that attempt
  // A JSON array with the record of each segment, see branch/record.hpp, and its transaction's id;
  // empty: none was kept.
  std::string record;
};

// A merge by replay that is done.
struct DoneReplay {
  int64_t merge_id = 0;
  int64_t session_id = 0;
  std::string session;             // its name
  std::string parent_fingerprint;  // before it
  std::string after_fingerprint;   // and after it; empty: nobody knows
};

class Store {
 public:
  virtual ~Store() = default;
  virtual Result<StoreSnapshot> Load() = 0;
  virtual Result<Intake> ReadRequests() = 0;
  virtual Result<std::string> MigrationSql(int64_t migration_id, int attempt) = 0;
  // What agent_migrate() read the text as; nothing where nobody has (a text of 0.1.0, or a
  // fixer's): then it is read where it is needed.
  virtual Result<std::optional<Script>> MigrationScript(int64_t migration_id, int attempt) = 0;
  // The objects of a schema snapshot as JSON; "{}" when it is not there.
  virtual Result<std::string> SnapshotObjects(const std::string &fingerprint) = 0;
  // Of a session, by ordinal.
  virtual Result<std::vector<AppliedMigration>> AppliedMigrations(int64_t session_id) = 0;
  // Of a session; empty texts when it is not there.
  virtual Result<ForkRow> Fork(int64_t session_id) = 0;
  // Of a merge; nothing when none was noted.
  virtual Result<std::optional<UndoPointRow>> UndoPoint(int64_t merge_id) = 0;
  // Of a project, in the history of its parent that this last_reset_at begins, those whose
  // transaction is this one (an xid8) or a later one, in their order.
  virtual Result<std::vector<DoneReplay>> ReplaysSince(int64_t project_id,
                                                       const std::string &parent_reset_at,
                                                       const std::string &transaction_id) = 0;
  // A sweep that the schedule asks for; returns its id.
  virtual Result<int64_t> CreateSweep() = 0;
  virtual Status Commit(const Batch &batch) = 0;
};

// Where API keys come from. `file`: a project's api_key_file, or empty for the setting's.
class KeyRing {
 public:
  virtual ~KeyRing() = default;
  virtual Result<Secret> Key(const std::string &file) = 0;
  // Of the fixer's model.
  virtual Result<Secret> FixerKey() {
    return Status::Error("F0000", "agent_branch.fixer_key_file is not set");
  }
};

struct Settings {
  std::string api_url;
  int rate_limit_per_minute = 700;
  int rate_limit_burst = 40;
  int64_t reap_interval = 6 * 3600;  // seconds; 0: never by itself
  int64_t max_age = 24 * 3600;       // seconds
  int reap_limit = 100;              // branches of a project that one sweep deletes
  int active_computes = 20;          // per project

  std::string fixer_url;  // empty: no model is asked
  std::string fixer_protocol = "openai";
  std::string fixer_model;
  int fixer_attempts = 3;
  int64_t fixer_answer_tokens = 8'192;
  milliseconds fixer_timeout{120'000};
  // For a session; see FixLimits.
  int64_t fixer_max_tokens = 200'000;
  int64_t fixer_max_time = 600;  // seconds
  double fixer_max_cost = 0;
  double fixer_input_price = 0;
  double fixer_output_price = 0;
};

}  // namespace agent_branch
