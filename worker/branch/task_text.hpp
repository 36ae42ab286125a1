// The query texts of the tasks, and the events that their answers become.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/branch/connection.hpp"
#include "worker/branch/runner_options.hpp"
#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

// What is sent before a migration's own text, in the same query.
struct Prologue {
  std::string text;
  int statements = 0;
};

// What is sent before the migration's own text, in the same query: one round trip, and a
// transaction that is open before the first of its statements. `token` is set in the transaction
// and gone with it: a script that ended it and began another one is found out by that.
Prologue MigrationPrologue(const BranchTask &task, const RunnerOptions &options,
                           const std::string &token);
// Asked between two texts of one transaction: which constraints can be deferred, and which are from
// the beginning.
std::string BetweenScripts();
struct DeferrableConstraints {
  std::string all;  // names as SET CONSTRAINTS takes them; empty: there are none
  std::string initially_deferred;
};
// Nothing, when the answer does not show the transaction that the task began.
std::optional<DeferrableConstraints> ReadDeferrable(const Reply &reply, const std::string &token);
// What is sent before the next text: what was deferred is checked, as a COMMIT would, and what the
// text before it left in the session goes, as by DISCARD ALL. That cannot stand in a transaction,
// its parts can. `baseline`: the answer to RecordBaseline(), which goes with it and comes again.
Prologue NextPrologue(const BranchTask &task, const RunnerOptions &options,
                      const std::string &token, const DeferrableConstraints &constraints,
                      const std::vector<std::string> &baseline);
// What is asked before a transaction that is recorded: see record.hpp and, for the sixth column,
// measure.hpp.
std::string BaselineText(const BranchTask &task);
// Whether the task's settings ask for that.
bool IsMeasured(const BranchTask &task);
// Returns the token, or null, the transaction's id, or null, and the record where it is asked for.
// In place of the token kOtherRole and a name, where a recorded task ends as another role than it
// began as: what it makes from there on is that role's.
// before: of the schema, where it is measured.
constexpr std::string_view kOtherRole = "role ";
std::string MigrationCheck(const BranchTask &task, const std::string &before);
// kReadyToCommit, when the answer to that shows the transaction that the task began.
std::optional<BranchEvent> ReadyToCommit(const BranchTask &task, const Reply &reply,
                                         const std::string &token, int64_t rows);
// Inside of the migration's transaction, which it leaves as it was: the rows of the fingerprint,
// and the text of task.facts.
std::string ProofText(const BranchTask &task, int server_version);
// Settings of the session for a statement that runs alone, and what names it while it does.
std::string AloneSettings(const BranchTask &task, const RunnerOptions &options);
Prologue AlonePrologue(const BranchTask &task);
// Of the tasks that read. Fails when a transaction's id is not a number: it becomes part of the
// text.
Result<std::string> QueryText(const BranchTask &task, int server_version);

BranchEvent Done(uint64_t id, int64_t rows = 0);
BranchEvent NotRun(uint64_t id, Status why);
BranchEvent Rejected(uint64_t id, const ServerError &error);
// The connection broke: before COMMIT was sent, or after. sent: so had been the task's own text.
BranchEvent Lost(uint64_t id, const ConnectionFailure &failure, bool sent, bool commit_sent);
// prologue: all that was sent before the text, to find the error's place in it. script: which of
// the task's texts.
BranchEvent RejectedScript(const BranchTask &task, const Connection &connection,
                           const Prologue &prologue, size_t script);
// COMMIT was answered with ROLLBACK.
BranchEvent RejectedByRollback(uint64_t id);
BranchEvent RejectedOverdue(const BranchTask &task);
BranchEvent RejectedForEndingItsTransaction(uint64_t id, bool committed, const ServerError &after);
// The script made another role its own.
BranchEvent RejectedForItsRole(uint64_t id, const std::string &role);
// Puts the answer to that into the event. False when it is of another form.
bool TakeFingerprint(const Reply &reply, BranchEvent *event);
// The branch would end a constant with a backslash in it elsewhere than the reading did.
BranchEvent RejectedForBackslash(uint64_t id);
BranchEvent FinishedQuery(const BranchTask &task, const Reply &reply);

}  // namespace agent_branch
