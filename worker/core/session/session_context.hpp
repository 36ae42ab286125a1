// What every flow of a session does with it, in one place: save it, move it on, show its trouble.
#pragma once

#include "worker/core/flow/context.hpp"

namespace agent_branch {

// Whether Neon has another expiry for the session's branch than the session has, and can be told.
bool ExpiryDiffers(const Session &session, int64_t now);

class SessionContext : public FlowContext {
 public:
  using FlowContext::FlowContext;

  Project &ProjectOf(const Session &session);

  void Save(Session &session);
  // Changes the state, which ends any trouble.
  void MoveTo(Session &session, SessionState state);
  // The state kFailed with the reason; what was queued behind is cancelled.
  void Fail(Session &session, const Status &why);
  // Forgets the session's merge, whose row is written, and gives its turn to the next one.
  void LeaveMerge(Session &session);
  // The merge is over: its backup is kept for the undo window, or goes when it was made for
  // nothing.
  void EndUndoPoint(Session &session);
  // Forgets the session's undo, whose row is written, and gives its turn to the next one.
  void LeaveUndo(Session &session);
  // A rebase is over, if there is one. The branch before it may go now, or when there was time to
  // look at it.
  void EndRebase(Session &session, bool at_once);
  // The reason that a conflict or a failure is about.
  void SetReason(Session &session, const Status &why);
  // What is in the way, while it is; an ok() status when it is over.
  void ShowTrouble(Session &session, const Status &why);
  void Progress(Session &session);  // nothing is in the way any more
  // Waits with growing intervals; the trouble stays to be seen.
  Flow<> WaitAfterFailure(Session &session, Status why, bool slowly);

  // A call of the session's: for a read.
  ApiCall MakeCall(Session &session, Priority priority, NeonRequest request = {});
  ApiWait Ask(Session &session, Priority priority, NeonRequest request) {
    return Call(session, MakeCall(session, priority, std::move(request)));
  }
  // A call that changes: a step of this kind. With an unknown outcome the session is uncertain.
  ApiCall MakeChange(Session &session, Priority priority, NeonRequest request, StepKind kind,
                     std::string target);
  ApiWait Change(Session &session, Priority priority, NeonRequest request, StepKind kind,
                 std::string target) {
    return Call(session,
                MakeChange(session, priority, std::move(request), kind, std::move(target)));
  }
  // The branch whose name is exactly `name`, nothing, or why it could not be listed.
  Flow<Result<std::optional<NeonBranch>>> FindBranch(Session &session, Priority priority,
                                                     std::string name);
  // Notes the operations in the session's row and waits for them: those that failed.
  Flow<std::vector<NeonOperation>> AwaitNoted(Session &session,
                                              std::vector<NeonOperation> operations);
  // Waits for those that the row names, after a restart.
  Flow<std::vector<NeonOperation>> AwaitNotedBefore(Session &session);
  // Starts the branch's compute, which `why` says does not answer; again after a while, if that
  // fails. Neon takes a start of what runs for one that was done.
  Flow<Next> StartCompute(Session &session, Status why);
  // After a failure to reach the branch: every third time it is asked whether Neon still has it,
  // and when it has not, or never completed it, the session fails. When it has, its compute is
  // started.
  Flow<Next> AfterBranchFailure(Session &session, Status why);
  // An expiry was sent to Neon and nobody knows whether it has it: it is told of again, and cleared
  // before a merge.
  void ForgetExpiry(Session &session);
  // Opens a step of the session's, for an effect that is no API call, and commits it.
  Flow<> IntendAndCommit(Session &session, StepKind kind, std::string target);
  // A task with one event on the session's branch.
  Flow<BranchEvent> RunOnBranch(Session &session, BranchTask task, std::string what);
};

}  // namespace agent_branch
