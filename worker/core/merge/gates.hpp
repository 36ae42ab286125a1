// Gates: a project's own assertions, which must hold before anything of a session is merged.
//
// Each is one query that is asked of the session's branch (of the candidate, where one was made) or
// of the parent, as the project's role, in a transaction that can write nothing, within a time. It
// holds when it returns no row, or one row of one column that is true; else the rows are
// counterexamples. One that cannot be asked does not hold either. A gate may also limit what the
// migrations do (blast_radius.hpp); then a counterexample names the limit and what was measured.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "worker/core/merge/blast_radius.hpp"
#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/parent_now.hpp"
#include "worker/core/merge/recorded_work.hpp"

namespace agent_branch {

// What came of one gate.
struct GateAnswer {
  std::string name;
  std::string sql;
  bool on_parent = false;
  bool holds = false;
  std::vector<std::string> rows;  // the first counterexamples, a JSON value each
  bool more = false;              // there are others
  Status error;                   // why it could not be asked; ok(): it could
  milliseconds took{0};
};

// `answer`: of kGate, a JSON array of texts, of which each is a row as JSON, or its beginning.
// Fails with 22P02 when it is none.
Status ReadGateAnswer(std::string_view answer, GateAnswer *gate);
// limits: of FindExceeded().
void AddExceeded(std::vector<std::string> limits, GateAnswer *gate);
// For agent_merges.gates.
std::string GatesJson(const std::vector<GateAnswer> &answers);
// Nothing: all of them hold.
std::optional<MergeRefusal> JudgeGates(const std::vector<GateAnswer> &answers);

class GateKeeper {
 public:
  GateKeeper(SessionContext *context, ParentReader *parent, RecordedWorkReader *record)
      : context_(context), parent_(parent), record_(record) {}

  // Asks all gates of the project. Fails when one of the databases cannot be reached now.
  Flow<Result<std::vector<GateAnswer>>> AskAll(Session &session);
  // The same, and notes in the merge's row what they answered: nothing, or why
  // the merge is refused. Fails when one of the databases cannot be reached now.
  Flow<Result<std::optional<MergeRefusal>>> Ask(Session &session);

  // A task with one event on the session's branch.
  Flow<BranchEvent> AskBranch(Session &session, BranchTask task, std::string what) {
    return Send(session, std::move(task), false, std::move(what));
  }

 private:
  Flow<Result<BlastRadius>> Measure(Session &session);
  Flow<Result<std::map<std::string, int64_t>>> AskSizes(Session &session,
                                                        std::vector<std::string> tables);
  Flow<Result<GateAnswer>> AskOne(Session &session, GateRow gate);
  Flow<BranchEvent> Send(Session &session, BranchTask task, bool to_parent, std::string what);

  SessionContext *context_;
  ParentReader *parent_;
  RecordedWorkReader *record_;
};

}  // namespace agent_branch
