// Passwords of the login roles that are made on branches.
#pragma once

#include "worker/core/base/secret.hpp"

namespace agent_branch {

// About 190 bits from the kernel, of letters and digits, so that it stands in a URI as it is. With
// letters of both kinds, a digit and "_" always, since Neon counts kinds. Empty: the kernel has no
// random numbers to give.
Secret NewPassword();

}  // namespace agent_branch
