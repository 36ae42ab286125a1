#include "worker/core/merge/merge_turn.hpp"

#include "worker/core/flow/require.hpp"

namespace agent_branch {

int64_t MergeTurn::NextInQueue(const Project &project) const {
  int64_t next = 0;
  for (const auto &[id, session_id] : project.merge_queue) {
    const Session *session = context_->inventory().FindSession(session_id);
    if (session == nullptr) continue;
    const bool undoes = session->undo && session->row.finished;
    if (session->row.state != SessionState::kMerging && !undoes) continue;
    // One that may have changed the parent before a restart goes on before any other begins.
    if (session->may_have_merged() || session->may_have_undone()) return session_id;
    if (next == 0) next = session_id;
  }
  return next;
}

Flow<> MergeTurn::Await(Session &session) {
  Project &project = context_->ProjectOf(session);
  while (project.merging_session != session.row.id) {
    if (project.merging_session == 0) {
      const int64_t next = NextInQueue(project);
      if (next == session.row.id) break;
      Session *other = context_->inventory().FindSession(next);
      Require(other != nullptr, "a merge that waits for its turn is in the queue");
      other->Wake();
    }
    co_await ConditionWait(&session, &project.merge_turn, "the merge of another session");
  }
  project.merging_session = session.row.id;
}

}  // namespace agent_branch
