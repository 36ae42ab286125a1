// What a merge proved, as a JSON object for the merge's row: what was compared, what was done to
// the rows of which tables, and how long it took.
#pragma once

#include <string>
#include <string_view>

#include "worker/core/base/clock.hpp"
#include "worker/core/merge/replay_judgement.hpp"

namespace agent_branch {

// base, branch, parent: the objects that were compared before the replay. record: of its
// transaction.
std::string ReplayCertificate(const ObjectMap &base, const ObjectMap &branch,
                              const ObjectMap &parent, const ChangedRows &on_branch,
                              std::string_view record, milliseconds took);

// standpoint: where the parent stood when it was compared, which is where it stood at the fork.
std::string RestoreCertificate(std::string_view standpoint, bool locked);

}  // namespace agent_branch
