// Branches of finished sessions that had to be kept are deleted as soon as Neon allows.
//
// A pass lists the project's branches once and deletes, one after the other, each kept branch that
// has no children (any more) and need not be kept for undo: children first, since that is the only
// order Neon accepts. A pass is wanted whenever something ended that could have set one free.
#pragma once

#include <memory>

#include "worker/core/session/desk.hpp"

namespace agent_branch {

class RetireFlow {
 public:
  explicit RetireFlow(Desk *desk) : desk_(desk) {}

  // Starts a pass for each project that wants one and has none under way.
  void Advance();
  std::optional<Instant> NextDeadline() const;

 private:
  struct Pass {
    Project *project = nullptr;
    std::vector<NeonBranch> branches;
    // Not looked at yet, of those that were kept when the list was asked for: of later ones it says
    // nothing.
    std::set<std::string> candidates;
  };
  using PassPointer = std::shared_ptr<Pass>;

  void Start(Project *project);
  void OnBranches(const PassPointer &pass);
  void Next(const PassPointer &pass);
  bool NeedsExpiry(const PassPointer &pass, const KeptBranchRow &kept) const;
  // Neon deletes a backup by itself a day after its undo window, as a last defence.
  void SetExpiry(const PassPointer &pass, const KeptBranchRow &kept);
  // Reads a branch once more before it is deleted.
  void Check(const PassPointer &pass, const KeptBranchRow &kept);
  bool IsStillOurs(const KeptBranchRow &kept, const NeonBranch &branch) const;
  void Delete(const PassPointer &pass, const KeptBranchRow &kept);
  void Gone(const PassPointer &pass, const std::string &branch_id);
  void End(const PassPointer &pass, bool again);
  ApiCall MakeCall(Project *project);

  Desk *desk_;
};

}  // namespace agent_branch
