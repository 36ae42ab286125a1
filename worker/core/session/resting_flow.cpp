#include "worker/core/session/resting_flow.hpp"

#include "worker/core/base/timestamp.hpp"

namespace agent_branch {

bool RestingFlow::HasUris(const Session &session) {
  const Project &project = context_->ProjectOf(session);
  const bool parents = session.row.parent_branch_id.empty() ||
                       project.parent_uris.complete_for(session.row.parent_branch_id);
  return parents && session.uris.complete_for(session.row.branch_id);
}

Flow<Next> RestingFlow::Begin(Session &session) {
  if (session.uncertain) {
    // Only an expiry is changed in these states, and changing it again does no harm.
    context_->CloseStep(session, false, "outcome unknown; it is done again");
    context_->ForgetExpiry(session);
  }
  const bool has_branch = !session.row.branch_id.empty() && !session.branch_gone;
  if (session.given_up()) {
    context_->MoveTo(session, SessionState::kDiscarding);
  } else if (has_branch && !HasUris(session)) {
    return uris_->Fetch(session);
  } else if (has_branch && role_.IsWanted(session)) {
    // After a merge that was refused, a crash that took the password, or because it was asked for.
    return role_.Make(session);
  } else if (has_branch && reader_.IsWanted(session) && !session.reader_tried) {
    return MakeReader(session);
  } else if (context_->ProjectOf(session).row.paused &&
             (!session.migrations.empty() || session.row.goal == Goal::kMerge)) {
    // Woken when the project is resumed.
    context_->ShowTrouble(session, Status::Error("55000", "the project is paused", {},
                                                 "agent_project_resume() lets it go on."));
    return {};
  } else if (!session.migrations.empty()) {
    context_->MoveTo(session, SessionState::kMigrating);
  } else if (session.row.goal == Goal::kMerge) {
    context_->MoveTo(session, SessionState::kMerging);
  } else if (has_branch && ExpiryDiffers(session, context_->unix_time())) {
    return SetExpiry(session);
  } else {
    // What was in trouble in this state is over.
    context_->Progress(session);
    if (!session.row.settled) context_->Save(session);
    return {};
  }
  session.Wake();
  return {};
}

// A crash takes its password, and a restore may.
Flow<Next> RestingFlow::MakeReader(Session &session) {
  // Once: the parent may not be reached, and that keeps nothing else from going on.
  session.reader_tried = true;
  co_await reader_.Make(session);
  co_return Next::Look();
}

Flow<Next> RestingFlow::SetExpiry(Session &session) {
  const int64_t asked = session.row.expires_at;
  session.expiry_asked = asked;
  const Project &project = context_->ProjectOf(session);
  const std::string id = session.row.branch_id;
  NeonRequest request = SetExpiryRequest(project.row.neon_id, id, FormatTimestamp(asked));
  ApiAnswer answer = co_await context_->Change(session, Priority::kCleanup, std::move(request),
                                               StepKind::kSetExpiry, id);
  if (answer.classified.kind == ResponseKind::kDone) {
    Result<NeonChange> change = ParseChange(answer.body);
    // What Neon says is what counts: it may keep another one, or none.
    if (change.ok() && change->branch.id == id)
      session.row.branch_expires_at = ParseTimestamp(change->branch.expires_at);
    context_->Save(session);
    co_return Next::Look();
  }
  if (answer.classified.kind == ResponseKind::kUnknown)
    co_return Next::Again(answer.classified.why);
  if (answer.classified.kind != ResponseKind::kRefused) {
    session.expiry_asked = 0;
    Next next = co_await context_->AfterBranchFailure(session, answer.classified.why);
    co_return next;
  }
  context_->Save(session);
  co_return Next::Look();
}

}  // namespace agent_branch
