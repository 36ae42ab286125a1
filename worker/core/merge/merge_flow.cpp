#include "worker/core/merge/merge_flow.hpp"

#include <utility>

#include "worker/core/flow/require.hpp"

namespace agent_branch {

bool MergeFlow::MayBeGivenUp(const Session &session) const {
  return !session.may_have_restored();
}

Flow<Next> MergeFlow::Run(Session &session) {
  if (!session.merge) {
    context_->Fail(session, Status::Error("XX000", "the merge's row is missing"));
    co_return Next::Look();
  }
  if (session.given_up() && MayBeGivenUp(session)) {
    end_.Cancel(session);
    co_return Next::Look();
  }
  co_await AwaitTurn(session);
  Next next = co_await restore_.Run(session);
  co_return next;
}

int64_t MergeFlow::NextInQueue(const Project &project) const {
  int64_t next = 0;
  for (const auto &[merge_id, session_id] : project.merge_queue) {
    const Session *session = context_->world().FindSession(session_id);
    if (session == nullptr || session->row.state != SessionState::kMerging) continue;
    // One that may have restored the parent before a restart goes on before any other begins.
    if (session->may_have_restored()) return session_id;
    if (next == 0) next = session_id;
  }
  return next;
}

Flow<> MergeFlow::AwaitTurn(Session &session) {
  Project &project = context_->ProjectOf(session);
  while (project.merging_session != session.row.id) {
    if (project.merging_session == 0) {
      const int64_t next = NextInQueue(project);
      if (next == session.row.id) break;
      Session *other = context_->world().FindSession(next);
      Require(other != nullptr, "a merge that waits for its turn is in the queue");
      other->Wake();
    }
    co_await ConditionWait(&session, &project.merge_turn, "the merge of another session");
  }
  project.merging_session = session.row.id;
  if (session.merge->status == "running") co_return;
  session.merge->status = "running";
  context_->journal().Add(*session.merge);
}

}  // namespace agent_branch
