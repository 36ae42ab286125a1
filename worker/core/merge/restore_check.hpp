// After a restore: whether what it replaced was what had been proven.
//
// Between the proof and the moment that the restore takes its place something may have been written
// all the same: to a table that no lock could keep, or after the locks had gone with the parent's
// compute. It is in the backup, and nowhere else. So the backup gets a compute, and says what was
// written there since the session began, which has to be nothing. What is found is told in the
// merge's row and in its session's error; the backup is kept, and the merge can be undone.
//
// A look that is not possible (no compute is left, the plan has none) holds no merge up: it is
// noted that nobody looked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "worker/core/merge/undo_point.hpp"

namespace agent_branch {

class RestoreChecker {
 public:
  RestoreChecker(SessionContext *context, ConnectionUris *uris, UndoPoints *undo_points)
      : context_(context), uris_(uris), undo_points_(undo_points) {}

  // The restore is done, and its backup known as far as it can be. Fills merge->checked; fails when
  // it is to be tried again.
  Flow<Next> Run(Session &session);

 private:
  // The direct URI of the backup's compute, which is made if there is none.
  Flow<Result<Secret>> Reach(Session &session);
  Flow<Result<std::string>> MakeCompute(Session &session);
  Flow<Result<std::string>> FindCompute(Session &session);
  Flow<BranchEvent> AskBackup(Session &session, BranchTask task);
  Flow<Result<std::vector<std::string>>> FindDifferences(Session &session, Secret uri);
  // Of sequences that moved: those that somebody drew from. What was logged ahead moves one, too.
  Flow<Result<std::vector<std::string>>> FindDrawn(Session &session, Secret uri,
                                                   std::vector<std::string> moved);
  void NotChecked(Session &session, const std::string &why);
  void Note(Session &session, const std::vector<std::string> &differences);

  SessionContext *context_;
  ConnectionUris *uris_;
  UndoPoints *undo_points_;
};

// For agent_merges.checked. why: it could not be looked at; empty: it was.
std::string CheckedJson(const std::vector<std::string> &differences, const std::string &why);
// What the merge's row says was found; empty: nothing.
std::vector<std::string> FoundDifferences(std::string_view checked);
// What the caller is told of them.
Status WrittenMeanwhile(const std::vector<std::string> &differences, bool undoable);

}  // namespace agent_branch
