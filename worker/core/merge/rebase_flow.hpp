// A session begins anew from the parent as it is now: its branch is set aside, another one is made
// under its name, and the migrations that were applied run there again, byte for byte as they ran.
//
// The making and the running are the session's own flows (session/create_flow, migrate_flow). The
// branch that was set aside is kept until the new one was compared with it: what was changed on it
// outside of migrations is on no other. agent_rebase() asks for it, and so does a merge by
// candidate, which then goes on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "worker/core/merge/recorded_work.hpp"

namespace agent_branch {

class RebaseFlow {
 public:
  RebaseFlow(SessionContext *context, ConnectionUris *uris)
      : context_(context), uris_(uris), record_(context, uris) {}

  // A session at rest that asks for a rebase, or whose migrations have all been run again.
  static bool IsWanted(const Session &session);
  // The session is such a one, and not being merged.
  Flow<Next> Run(Session &session);

  // Sets the branch aside: the session is in state kQueued then. Not when the branch holds rows
  // that no migration wrote, unless they are to be dropped: why not.
  Flow<Result<std::optional<Status>>> Begin(Session &session, bool drops_unrecorded);
  // Compares the new branch with the one that was set aside, and lets that one go. What is missing
  // on the new one: nothing that a migration made.
  Flow<Result<std::vector<std::string>>> Finish(Session &session);

 private:
  void SetAside(Session &session, std::vector<AppliedMigration> applied, const BranchNow &branch);
  void RunAgain(Session &session, const AppliedMigration &migration);

  SessionContext *context_;
  ConnectionUris *uris_;
  RecordedWorkReader record_;
};

// What speaks against leaving a branch behind; `objects`: what is on it alone.
Status UnrecordedObjects(const std::vector<std::string> &objects);
Status UnrecordedRowsFound(const std::vector<std::string> &tables);
// "a, b, c, d, e and 7 more"
std::string Listed(const std::vector<std::string> &items);

}  // namespace agent_branch
