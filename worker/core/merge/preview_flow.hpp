// What agent_merge_preview() asks for: what a merge of a session that is ready would do. It changes
// nothing, neither on the branch nor on the parent, and takes no place in the queue.
#pragma once

#include <string>

#include "worker/core/merge/preview.hpp"
#include "worker/core/merge/replay_merge.hpp"
#include "worker/core/merge/restore_merge.hpp"

namespace agent_branch {

class PreviewFlow {
 public:
  PreviewFlow(SessionContext *context, ConnectionUris *uris, Admission *admission)
      : context_(context),
        end_(context),
        parent_(context, uris),
        record_(context, uris),
        still_(context, &parent_),
        gates_(context, &parent_, &record_),
        undo_points_(context, uris),
        replay_(context, uris, &end_, &gates_, &undo_points_),
        restore_(context, uris, admission, &end_, &gates_, &undo_points_) {}

  // The session is at home, and a preview is asked for: answers the first of them.
  Flow<Next> Run(Session &session);
  // The session has moved on: answers all of them with that.
  void TurnAway(Session &session);

 private:
  // Fails when one of the sides cannot be asked now.
  Flow<Result<std::string>> Make(Session &session, MergeRow wishes);
  Flow<Status> AskTexts(Session &session, MergePreview *preview);
  Flow<Status> AskSizes(Session &session, MergePreview *preview);
  Flow<BranchEvent> AskParent(Session &session, BranchTask task, std::string what);
  void Answer(Session &session, int64_t ticket, std::string result);

  SessionContext *context_;
  MergeEnd end_;
  ParentReader parent_;
  RecordedWorkReader record_;
  StillProver still_;
  GateKeeper gates_;
  UndoPoints undo_points_;  // that the strategies are made with; a preview makes none
  ReplayMerge replay_;
  RestoreMerge restore_;
};

// The strategy that agent_merge() would choose, or why it would refuse. `preview` has the proofs
// and what each strategy could do.
void ChooseForPreview(const MergeRow &wishes, bool changed_nothing, MergePreview *preview);

}  // namespace agent_branch
