#include "worker/core/merge/fence.hpp"

namespace agent_branch {
namespace {

// Whether the other session began with the parent as the restore left it. Neon's last_reset_at
// counts whole seconds: whoever began within the second of one restore could not tell another one
// that came within it too, and would undo that.
bool BeganSince(const Session &other, const std::string &before, const std::string &after) {
  return !after.empty() && after != before && other.row.parent_reset_at == after;
}

}  // namespace

void FenceOthers(SessionContext &context, Session &session, const std::string &event,
                 const std::string &before, const std::string &after) {
  for (const auto &[id, other] : context.ProjectOf(session).sessions) {
    const bool concerned =
        id != session.row.id && !other->row.finished && !other->row.parent_branch_id.empty();
    if (!concerned || BeganSince(*other, before, after)) continue;
    other->row.parent_reset_at = kFenced + event;
    context.Save(*other);
    // Saving looks again whether it is settled, and a clock that was set may have changed that.
    if (other->at_rest()) other->Wake();
    LookAtParentAgain(*other);
  }
}

void LookAtParentAgain(Session &other) {
  if (!other.row.branch_id.empty() || other.row.finished) return;
  other.parent_checked = false;
  if (other.row.state == SessionState::kCreating) other.Interrupt();
}

}  // namespace agent_branch
