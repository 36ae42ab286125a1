// Branches of finished sessions, backups and orphans are deleted as soon as Neon allows.
//
// A pass lists the project's branches once and deletes, one after the other, each kept branch that
// has no children (any more) and need not be kept for undo: children first, since that is the only
// order Neon accepts. A pass is wanted whenever something ended that could have set one free; what
// fails is tried again with growing intervals.
#pragma once

#include <map>
#include <set>

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class KeptBranches {
 public:
  explicit KeptBranches(SessionContext *context) : context_(context) {}

  // What the project's deleter does next: a pass, if one is wanted.
  Flow<> Next(Project &project);

 private:
  struct Pass {
    std::map<std::string, NeonBranch> branches;
    std::map<std::string, int> children;
    // Not looked at yet, of those that were kept when the list was asked for: of later ones it says
    // nothing.
    std::set<std::string> candidates;
  };

  Flow<> Run(Project &project);
  Flow<Status> DeleteAll(Project &project);
  // Finds out what became of a step that has no outcome yet.
  Flow<Status> Reconcile(Project &project);
  // Branches that the parent hangs under cannot be deleted, and count to max_pinned.
  void NoteWhatHoldsTheParent(Project &project, const Pass &pass) const;
  Flow<Status> TakeGone(Project &project, Pass &pass);
  Flow<Status> SetExpiries(Project &project, Pass &pass);
  // The next one that may go; null: none.
  const KeptBranchRow *NextToDelete(const Project &project, const Pass &pass) const;
  Flow<Status> Delete(Project &project, Pass &pass, KeptBranchRow kept);
  bool NeedsExpiry(const Pass &pass, const KeptBranchRow &kept) const;
  bool IsStillOurs(const KeptBranchRow &kept, const NeonBranch &branch) const;
  void Gone(Project &project, Pass &pass, const std::string &branch_id);
  ApiCall MakeCall(Project &project) const;

  SessionContext *context_;
};

}  // namespace agent_branch
