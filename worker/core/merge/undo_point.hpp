// What makes a merge one that can be undone: the backup of the parent, and what is noted of where
// the parent stood, so that whatever was written since is found.
//
// Only for projects that have an undo_window. A restore makes its backup itself; for a replay a
// branch of the parent is made right before it, which is one of the project's branches and expires
// at Neon a day after the window. What is noted is never later than the backup: what was written in
// between counts as written since, so that an undo asks rather than loses it.
#pragma once

#include <string>

#include "worker/core/session/connection_uris.hpp"

namespace agent_branch {

class UndoPoints {
 public:
  UndoPoints(SessionContext *context, ConnectionUris *uris) : context_(context), uris_(uris) {}

  // --- Of a replay. The parent's URIs are known.
  // Sees that there is a backup, or that it is noted why there is none; false: the rows are to be
  // looked at again. Fails when that cannot be done now.
  Flow<Result<bool>> BackUp(Session &session);
  // The same whatever the project's undo_window is, and though Neon may not restore the parent.
  Flow<Result<bool>> BackUpAnyway(Session &session);
  // The step kBackUp is open, and its outcome not known.
  Flow<Next> Reconcile(Session &session);
  // Of the transaction that is about to be committed.
  void NoteReplay(Session &session, const BranchEvent &ready);
  // The same, of one of several.
  void AddReplay(Session &session, const BranchEvent &ready);
  // The backup is kept, and the merge can be undone, for so many seconds at least.
  void KeepAtLeast(Session &session, int64_t seconds);

  // --- Of a restore.
  // Notes where the branch stands that the parent is about to be replaced by.
  Flow<Next> BeforeRestore(Session &session);
  void NoteBackup(Session &session, const KeptBranchRow &backup);
  // What was found afterwards is to be decided on: the backup is kept for so many seconds at least.
  void KeepAnyway(Session &session, int64_t seconds);
  // As far as the parent can be asked.
  Flow<> AfterRestore(Session &session, std::string reset_at);

 private:
  UndoPointRow &PointOf(Session &session);
  void CannotBeUndone(Session &session, const std::string &why);
  Flow<Result<std::string>> AskParent(Session &session);
  Flow<Result<bool>> BackUpNow(Session &session, bool anyway);
  Flow<Result<bool>> Make(Session &session);
  Flow<Result<bool>> Take(Session &session, NeonBranch branch);
  void ForgetBackup(Session &session);

  SessionContext *context_;
  ConnectionUris *uris_;
};

}  // namespace agent_branch
