// Whose a change of the tables is, and whether an error of writing it is about its values.
#pragma once

#include "worker/core/state/owner.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

Owner OwnerOf(const Mutation &mutation);

// Whether an error is about the values that were to be written, and would come again; otherwise it
// is about the server, and passes. `failures`: how often in a row writing has failed.
bool IsOfItsData(const Status &error, int failures);

}  // namespace agent_branch
