#include "worker/core/merge/merge_flow.hpp"

#include <utility>

namespace agent_branch {

bool MergeFlow::MayInterrupt(const Session &session) const {
  return !session.may_have_restored() && session.merge_phase != MergePhase::kRestore;
}

MergeStrategy &MergeFlow::StrategyOf(const Session &) {
  // Restore is the only one there is; auto means restore where it is safe, which it proves itself.
  return *restore_;
}

void MergeFlow::Drive(Session &session) {
  if (!session.merge) {
    desk_->Fail(session, Status::Error("XX000", "the merge's row is missing"));
    return;
  }
  bool given_up = session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire;
  if (given_up && MayInterrupt(session)) {
    End(session, "cancelled", "the session was given up");
    desk_->MoveTo(session, SessionState::kDiscarding);
    return;
  }
  if (HasTurn(session)) StrategyOf(session).Drive(session);
}

bool MergeFlow::HasTurn(Session &session) {
  Project &project = desk_->ProjectOf(session);
  if (project.merging_session == session.row.id) return true;
  if (project.merging_session != 0) return false;  // LeaveMerge() resumes the next one
  Session *first = &session;
  for (const auto &[id, other] : desk_->world().sessions) {
    if (other->row.project_id != project.row.id || !other->merge) continue;
    if (other->row.state != SessionState::kMerging) continue;
    // One that may have restored the parent before a restart goes on before any other begins.
    bool earlier = std::make_pair(!other->may_have_restored(), other->merge->id) <
                   std::make_pair(!first->may_have_restored(), first->merge->id);
    if (earlier) first = other.get();
  }
  project.merging_session = first->row.id;
  first->merge->status = "running";
  desk_->journal().Add(*first->merge);
  if (first == &session) return true;
  if (first->activity == Activity::kNone) desk_->Resume(*first);
  return false;
}

void MergeFlow::End(Session &session, const std::string &status, const std::string &reason) {
  session.merge->status = status;
  session.merge->reason = reason;
  desk_->journal().Add(*session.merge);
  if (session.row.goal == Goal::kMerge) session.row.goal = Goal::kNone;
  desk_->LeaveMerge(session);
}

void MergeFlow::Merged(Session &session) {
  // The parent's connections were dropped by the restore.
  desk_->branches().Close(desk_->ProjectOf(session).parent_connection_key());
  End(session, "merged", "");
  desk_->MoveTo(session, SessionState::kMerged);
}

void MergeFlow::Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts) {
  for (ConflictRow &conflict : conflicts) {
    conflict.merge_id = session.merge->id;
    conflict.session_id = session.row.id;
    desk_->journal().Add(std::move(conflict));
  }
  End(session, "conflict", why.message());
  desk_->MoveTo(session, SessionState::kConflict);
  desk_->SetReason(session, why);
}

void MergeFlow::Broken(Session &session, const Status &why) {
  End(session, "failed", why.message());
  desk_->Fail(session, why);
}

}  // namespace agent_branch
