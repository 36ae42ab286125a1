// How a merge ends: what every strategy may conclude.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

// Why a merge is refused, with the objects that are in its way.
struct MergeRefusal {
  Status why;
  std::vector<ConflictRow> conflicts;
};

// How one strategy's work on a merge ended for now.
struct StrategyEnd {
  Next next;
  // The strategy cannot carry what the session did, for this reason; nothing was touched, and
  // another one may do.
  std::optional<MergeRefusal> cannot;

  static StrategyEnd Cannot(Status why, std::vector<ConflictRow> conflicts = {}) {
    return {Next::Look(), MergeRefusal{std::move(why), std::move(conflicts)}};
  }
};

class MergeEnd {
 public:
  explicit MergeEnd(SessionContext *context) : context_(context) {}

  // The parent has what the branch has. but: what was found in doing so, which is said; ok():
  // nothing.
  void Merged(Session &session, const Status &but = Status());
  // Refused, and the parent is untouched: the state kConflict.
  void Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts);
  // Begun, and did not come to its end: the state kFailed.
  void Broken(Session &session, const Status &why);
  // The session was given up before the parent was touched.
  void Cancel(Session &session);
  // After something that could not be asked: again later, unless that has ended the merge (its
  // branch is gone).
  Next Again(const Session &session, Status why) const;

 private:
  void End(Session &session, const std::string &status, const std::string &reason);

  SessionContext *context_;
};

}  // namespace agent_branch
