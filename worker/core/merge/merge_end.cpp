#include "worker/core/merge/merge_end.hpp"

#include <utility>

namespace agent_branch {

void MergeEnd::End(Session &session, const std::string &status, const std::string &reason) {
  session.merge->status = status;
  session.merge->reason = reason;
  context_->journal().Add(*session.merge);
  if (session.row.goal == Goal::kMerge) session.row.goal = Goal::kNone;
  context_->LeaveMerge(session);
}

Next MergeEnd::Again(const Session &session, Status why) const {
  return session.merge ? Next::Again(std::move(why)) : Next::Look();
}

void MergeEnd::Merged(Session &session, const Status &but) {
  End(session, "merged", but.ok() ? std::string() : ErrorText(but));
  context_->MoveTo(session, SessionState::kMerged);
  if (but.ok()) return;
  session.lasting = but;
  context_->SetReason(session, but);
}

void MergeEnd::Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts) {
  for (ConflictRow &conflict : conflicts) {
    conflict.merge_id = session.merge->id;
    conflict.session_id = session.row.id;
    context_->journal().Add(std::move(conflict));
  }
  End(session, "conflict", why.message());
  context_->MoveTo(session, SessionState::kConflict);
  context_->SetReason(session, why);
}

void MergeEnd::Broken(Session &session, const Status &why) {
  End(session, "failed", why.message());
  context_->Fail(session, why);
}

void MergeEnd::Cancel(Session &session) {
  End(session, "cancelled", "the session was given up");
  context_->MoveTo(session, SessionState::kDiscarding);
}

}  // namespace agent_branch
