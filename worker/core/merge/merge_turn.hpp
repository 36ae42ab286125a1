// Merges into one parent, and their undoing, run one at a time, in the order in which they were
// asked for.
#pragma once

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class MergeTurn {
 public:
  explicit MergeTurn(SessionContext *context) : context_(context) {}

  // Until it is the session's turn, which it keeps until LeaveMerge() or LeaveUndo().
  Flow<> Await(Session &session);

 private:
  // The session that is next among those that are ready for it; 0: none.
  int64_t NextInQueue(const Project &project) const;

  SessionContext *context_;
};

}  // namespace agent_branch
