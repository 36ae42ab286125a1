// The login role as which a parent is read by those who may not change it: one for each
// installation on each parent, with the rights to read everything and no others.
//
// It is made before a session's branch is, so that branches have it, too, and where the parent
// stands is noted after. Where it comes later, or gets another password, because a crash took the
// first one or a restore brought back another, what was noted for the sessions that are there moves
// on by the worker's own transaction.
#pragma once

#include <optional>

#include "worker/core/session/connection_uris.hpp"

namespace agent_branch {

class ReaderRole {
 public:
  explicit ReaderRole(SessionContext *context) : context_(context) {}

  // Whether the URIs of the role on the session's parent are wanted and not known; those of the
  // parent are.
  bool IsWanted(const Session &session);
  // Makes the role, or gives it another password. That it is refused is noted, and only who wants
  // to read the parent suffers from it. Returns what came of a parent that did not answer.
  Flow<std::optional<BranchEvent>> Make(Session &session);
  // Gives the role on the session's branch, which the parent is about to become, the password that
  // it has on the parent: it may be of before, or of the agent's making. False: nobody answered.
  Flow<bool> KeepOnBranch(Session &session);

 private:
  Flow<BranchEvent> MakeWith(Session &session, Secret password);
  // Nobody else wrote to the parent by this transaction.
  void NoteOwnWrite(const Project &project, const std::string &transaction_id);

  SessionContext *context_;
};

}  // namespace agent_branch
