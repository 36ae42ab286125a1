// A session at rest (ready, conflict, failed): what a request asks for, a lost credential or an
// expiry that Neon does not have yet makes it move.
#pragma once

#include "worker/core/session/agent_role.hpp"
#include "worker/core/session/reader_role.hpp"

namespace agent_branch {

class RestingFlow {
 public:
  RestingFlow(SessionContext *context, ConnectionUris *uris)
      : context_(context), uris_(uris), role_(context, uris), reader_(context) {}

  // Moves the session on, or does the one thing that is to be done. A flow that does not exist:
  // nothing is.
  Flow<Next> Begin(Session &session);

 private:
  Flow<Next> SetExpiry(Session &session);
  Flow<Next> MakeReader(Session &session);
  bool HasUris(const Session &session);

  SessionContext *context_;
  ConnectionUris *uris_;
  AgentRole role_;
  ReaderRole reader_;
};

}  // namespace agent_branch
