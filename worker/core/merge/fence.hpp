// After the parent was restored: sessions that began before have another parent from now on, and
// are told so when they merge.
#pragma once

#include <string>

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

// In the place of the parent's last_reset_at, of a session that began before the restore.
inline constexpr char kFenced[] = "before ";

// All others of the project but those that began since. `event`: "merge 17". `before`, `after`: the
// parent's last_reset_at; an empty one is not known.
void FenceOthers(SessionContext &context, Session &session, const std::string &event,
                 const std::string &before, const std::string &after);
// Of a session whose branch is not made yet: it is made of the parent as it is now.
void LookAtParentAgain(Session &other);

}  // namespace agent_branch
