// Merges into one parent queue, and run one at a time, in the order they were asked for.
#pragma once

#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {

class MergeFlow {
 public:
  MergeFlow(SessionContext *context, ConnectionUris *uris, Admission *admission)
      : context_(context), end_(context), restore_(context, uris, admission, &end_) {}

  // state kMerging.
  Flow<Next> Run(Session &session);
  // Before the restore is accepted or on its way, a merge can still be given up.
  bool MayBeGivenUp(const Session &session) const;

 private:
  Flow<> AwaitTurn(Session &session);
  // The session whose merge is next, among those that are ready for it.
  int64_t NextInQueue(const Project &project) const;

  SessionContext *context_;
  MergeEnd end_;
  RestoreMerge restore_;
};

}  // namespace agent_branch
