// The connection URIs of a session's branch and of its project's parent.
//
// A URI belongs to the branch with its id and to a moment: a restore, a rotated password or a new
// compute make it useless. So those of another id are dropped, and a failure to log in or to
// connect has them asked for again.
#pragma once

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class ConnectionUris {
 public:
  explicit ConnectionUris(SessionContext *context) : context_(context) {}

  // Asks for what is missing of the branch's URIs and of the parent's. For sessions of every state
  // that has a branch: a crash of the server takes credentials away.
  Flow<Next> Fetch(Session &session);
  // Of the branch only: what a migration needs.
  Flow<Next> FetchOwn(Session &session);
  // Of the parent with this id: what a merge needs.
  Flow<Next> FetchParents(Session &session, std::string parent_id);

  // Of any branch of the project, asked of Neon.
  Flow<Result<Secret>> AskDirect(Session &session, std::string branch_id) {
    return Ask(session, std::move(branch_id), false);
  }

  // Notes a URI of the session's branch.
  void Take(Session &session, bool pooled, Secret uri);
  // After a task on the session's branch did not run: drops its URIs when they may be the reason.
  Flow<Next> AfterConnectionFailure(Session &session, BranchEvent event);
  // Those of the worker; where the agent has the project's role, they are the agent's, too.
  void DropOwn(Session &session);
  // Those of the role that reads the parent: it gets another password when it is needed next.
  void DropReader(Project &project);
  // Those of the agent's own role.
  void DropAgents(Session &session);
  void DropParents(Project &project);

  // Whether the agent has a login role of its own on the session's branch.
  static bool HasOwnRole(const Session &session);
  // What Neon told of the branch is for the worker alone.
  bool AreWorkersAlone(const Session &session) const;

 private:
  void MoveReader(Project &project, bool pooled, const Secret &uri);
  Flow<Result<Secret>> Ask(Session &session, std::string branch_id, bool pooled);

  SessionContext *context_;
};

// Whether the URI itself may be the reason why a task did not run: the password or role is refused,
// the database is not there, or nobody answers at the address.
bool MayBeTheUri(const BranchEvent &event);

}  // namespace agent_branch
