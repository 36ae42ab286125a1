// The end of a session: its branch is deleted, or pinned where Neon does not let it go.
#pragma once

#include "worker/core/session/desk.hpp"

namespace agent_branch {

class RemoveFlow {
 public:
  explicit RemoveFlow(Desk *desk) : desk_(desk) {}

  // state kMerged or kDiscarding, nothing under way.
  void Drive(Session &session);
  // The session ends now: it has no branch (any more), or a pinned one.
  void Finish(Session &session);

 private:
  void CancelMigrations(Session &session);
  void Check(Session &session);
  void Delete(Session &session);
  void OnDeleted(Session &session, const ApiAnswer &answer);
  void Pin(Session &session);

  Desk *desk_;
};

}  // namespace agent_branch
