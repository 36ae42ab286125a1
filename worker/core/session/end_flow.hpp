// The end of a session: its branch is deleted, or kept until Neon lets it go, and the session
// leaves.
#pragma once

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class EndFlow {
 public:
  explicit EndFlow(SessionContext *context) : context_(context) {}

  // state kMerged or kDiscarding, or a session that is given up before it has a branch.
  Flow<Next> Run(Session &session);

 private:
  void CancelMigrations(Session &session);
  bool IsKnownOurs(const Session &session) const;
  // Reads whether the branch is still ours: whoever asked for the session's end did not ask for the
  // deletion of a branch that somebody has made their own.
  Flow<Next> Check(Session &session);
  Flow<Next> Delete(Session &session);
  // Neon does not let it go yet: it is deleted later, without the session.
  void Keep(Session &session);
  Flow<Next> Finish(Session &session, Status left_behind);

  SessionContext *context_;
};

}  // namespace agent_branch
