// Whether a session and the merges that came before it commute: the other order is tried.
//
// A replay runs the session's migrations after those of others: that order is tried by the replay
// itself. Where everything that changed the parent's schema since the session began were merges of
// our own, what they ran is known, and the other order is tried too: their migrations on the
// session's branch, which has the session's own already, in a transaction that is rolled back. Both
// must give the same schema. What somebody did by hand cannot be tried so, and is not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "worker/core/merge/conflict_reader.hpp"
#include "worker/core/merge/replay_plan.hpp"

namespace agent_branch {

// Whether the merges, in their order, lead from the one fingerprint to the other, each beginning
// where the one before it ended.
bool ExplainChange(const std::vector<DoneReplay> &merges, const std::string &from,
                   const std::string &to);

class OtherOrder {
 public:
  OtherOrder(SessionContext *context, RecordedWorkReader *record)
      : context_(context), record_(record) {}

  // What the merges ran that changed the parent since the session began, one after the other;
  // nothing where something else changed its schema, too, or one is not a single piece.
  Flow<Result<std::vector<RecordedWork>>> FindOthers(Session &session, const ReplayPlan *plan);
  // Nothing: both orders give the same schema, or the other one cannot be tried. The plan's view of
  // the branch is brought up to date. Fails when the branch cannot be asked now, or was written to
  // meanwhile (55006).
  Flow<Result<std::optional<MergeRefusal>>> Try(Session &session, ReplayPlan *plan,
                                                std::vector<RecordedWork> others);

 private:
  // Fails (55006) when it is not what the plan says.
  Flow<Status> SeeThatItIsAsSeen(Session &session, const ReplayPlan *plan);
  Flow<Status> SeeThatNothingStayed(Session &session, ReplayPlan *plan);

  SessionContext *context_;
  RecordedWorkReader *record_;
};

}  // namespace agent_branch
