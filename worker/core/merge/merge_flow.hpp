// Merges into one parent queue, and run one at a time, in the order they were asked for.
#pragma once

#include <memory>

#include "worker/core/merge/merge_strategy.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {

class MergeFlow : public MergeDesk {
 public:
  MergeFlow(Desk *desk, CreateFlow *creator, Admission *admission)
      : desk_(desk), restore_(std::make_unique<RestoreMerge>(desk, creator, admission, this)) {}

  // state kMerging, nothing under way.
  void Drive(Session &session);
  // Before the restore is accepted or on its way, a merge can still be given up.
  bool MayInterrupt(const Session &session) const;

  void Merged(Session &session) override;
  void Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts) override;
  void Broken(Session &session, const Status &why) override;

 private:
  bool HasTurn(Session &session);
  void End(Session &session, const std::string &status, const std::string &reason);
  // Chosen by the merge's name for it; auto decides for itself what is safe.
  MergeStrategy &StrategyOf(const Session &session);

  Desk *desk_;
  std::unique_ptr<MergeStrategy> restore_;
};

}  // namespace agent_branch
