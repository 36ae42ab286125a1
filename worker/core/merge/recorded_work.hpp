// What a session's branch is, against what was recorded on it: the stage of a merge that says what
// can be carried over by running the migrations again, and what is there besides.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "worker/core/merge/replay_judgement.hpp"
#include "worker/core/session/connection_uris.hpp"
#include "worker/core/session/session_context.hpp"

namespace agent_branch {

struct RecordedMigration {
  int ordinal = 0;
  BranchScript script;
};

// A statement of a migration that takes something away, or keeps others out, as it is written.
struct RecordedRisk {
  int ordinal = 0;    // of the migration
  int statement = 0;  // in it, from 1
  StatementRisk risk;
};

// The migrations that are applied on the branch, in their order, as they ran.
struct RecordedWork {
  std::vector<RecordedMigration> migrations;
  ChangedRows rows;
  std::string not_one_piece;  // why they are not one transaction, as a clause; empty: they can be
  // They drop, truncate or empty tables as they are written.
  bool takes_rows_away = false;
  bool opaque = false;                      // they run code that may empty tables
  std::set<std::string> rewritten_by_text;  // names of tables that they write anew as written
  std::vector<RecordedRisk> risks;          // the first of them
};

// A session's branch as it is now.
struct BranchNow {
  std::string fingerprint;
  std::string description;  // the objects as the branch told of them
  ObjectMap objects;
  // Table → its number in the catalog: one that is made anew under its name has another.
  std::map<std::string, int64_t> tables;
  // The transactions that it shows: as long as it is the same, nothing was committed there. Empty:
  // it was not told.
  std::string snapshot;
  // What was done to rows outside of migrations: "table public.t: 3 rows written". Empty: nothing.
  std::vector<std::string> unrecorded;
};

class RecordedWorkReader {
 public:
  RecordedWorkReader(SessionContext *context, ConnectionUris *uris)
      : context_(context), uris_(uris) {}

  // Fails when the tables cannot be read now.
  Flow<Result<RecordedWork>> Read(Session &session);
  // The same of another session, which is over; on behalf of this one.
  Flow<Result<RecordedWork>> ReadOf(Session &session, int64_t other_id);
  // Fails when the branch cannot be asked now. `rows_count`: rows of no migration are looked for;
  // when they are to be left behind anyway, nobody waits for them to be told of.
  Flow<Result<BranchNow>> LookAtBranch(Session &session, RecordedWork recorded, bool rows_count);
  // Whether the branch is what it was when it was looked at. Transactions alone do not tell: where
  // databases share a server, others' move the snapshot, too. `rows_count`: see LookAtBranch();
  // rows that may not be told of yet count as moved. Fails when the branch cannot be asked now.
  Flow<Result<bool>> IsAsSeen(Session &session, BranchNow seen, RecordedWork recorded,
                              bool rows_count);
  // A task with one event. When it does not run, finds out whether the branch is still there.
  Flow<BranchEvent> RunOnBranch(Session &session, BranchTask task, std::string what);

  // As it was read when it was asked for, else as it is read now.
  Flow<Result<Script>> ScriptOf(Session &session, const AppliedMigration &migration);

 private:
  Flow<Result<std::vector<std::string>>> FindUnrecorded(Session &session, RecordedWork recorded);
  Flow<BranchEvent> AskUnrecorded(Session &session, std::string since, std::string own);
  SessionContext *context_;
  ConnectionUris *uris_;
};

// An SQL expression for BranchTask.facts: BranchNow.tables as a JSON object.
std::string TableNumbersExpression();
// Nothing when the text is no such object.
std::map<std::string, int64_t> ReadTableNumbers(std::string_view json);

// A query of one row of one column: what transactions its own snapshot shows.
std::string SnapshotQuery();

// What the answer to kUnrecorded shows besides the recorded rows, held against the statistics of
// `fork`, the standpoint of the branch when it was made. `settled`: false when others' latest work
// may not be in the statistics yet.
struct UnrecordedRows {
  std::vector<std::string> tables;
  bool any_transaction = false;
  bool settled = true;
  // All there is are transactions of VACUUM and ANALYZE, as far as the statistics of `fork` tell.
  bool only_maintained = false;
};
Result<UnrecordedRows> JudgeUnrecorded(std::string_view answer, std::string_view fork,
                                       const ChangedRows &recorded);

}  // namespace agent_branch
