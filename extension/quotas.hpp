// How much a role, and a project as a whole, may have and ask for.
//
// A project's limits are its options max_live_sessions, max_queued_sessions, max_branches_a_day,
// max_migration_bytes, and max_fixer_tokens_a_day, which the worker counts
// (core/fixer/fix_budget.hpp); a role's are those that agent_branch_limit() set, and of several
// that it has through other roles the most generous. Without a limit nothing is counted.
// Transactions that run at the same time do not see each other, so that a limit may be passed by as
// many as there are of them.
#pragma once

#include <cstdint>

#include "extension/lookup.hpp"

namespace agent_branch {

// Inside an OwnerSession. 53400, with what there is and what is allowed, when the caller or the
// project may have no further session now.
void RequireRoomForSession(Oid caller, const Project &project);
// Likewise for the text of a migration.
void RequireRoomForMigration(Oid caller, const Session &session, size_t bytes);

}  // namespace agent_branch
