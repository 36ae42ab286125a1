// The login role that the agent of a session works as: of its branch alone, with a password of its
// own, and with the rights of the project's role, as which it acts from its first statement on.
//
// So the agent knows nothing that opens the parent, and what it makes is the project's role's. A
// restore would carry the role along: it is taken from the branch before one is sent. A replay and
// a candidate never have it. The worker itself goes on as the project's role.
#pragma once

#include "worker/core/session/connection_uris.hpp"

namespace agent_branch {

class AgentRole {
 public:
  AgentRole(SessionContext *context, ConnectionUris *uris) : context_(context), uris_(uris) {}

  // Whether the session's branch has neither a role for the agent, with URIs that are known, nor a
  // reason why the agent has the project's.
  bool IsWanted(const Session &session);
  // Makes the role, or gives it another password. The worker's own URIs of the branch are known.
  // Where the server lets none be made, says so and hands the project's URIs out; where that is not
  // wanted, the session fails.
  Flow<Next> Make(Session &session);
  // Takes the login roles of sessions from the branch, and ends their connections. Nothing: there
  // is none any more. A status: the server refused, and why; an error: it is to be tried again.
  Flow<Result<std::optional<Status>>> TakeAway(Session &session);

 private:
  Flow<BranchEvent> MakeWith(Session &session, Secret password);
  Flow<BranchEvent> RunStep(Session &session, StepKind kind, BranchTask task, std::string what);
  // Whether the role can log in and acts as the project's.
  struct LoginProof {
    Status refusal;  // ok: it does, as far as there is no trouble
    Status trouble;  // nobody answered
  };
  Flow<LoginProof> Prove(Session &session, BranchUris uris);
  Flow<LoginProof> ProveOne(Session &session, Secret uri, bool pooled);
  void HandOut(Session &session, const BranchUris &uris, const std::string &transaction_id);
  Next Refuse(Session &session, const Status &why);
  void Share(Session &session, const std::string &why);

  SessionContext *context_;
  ConnectionUris *uris_;
};

}  // namespace agent_branch
