// A gate that is asked inside of a replay's transaction on the parent.
//
// What a gate said of the branch, or of the parent a while ago, need not hold of what the merge
// makes of the parent: others write there meanwhile. So a gate of the parent is asked again before
// the first migration, and one of the branch once the last one has run. It runs in a subtransaction
// that can write nothing and is rolled back, and ends the whole transaction when it does not hold.
#pragma once

#include <string>

#include "worker/core/flow/branch_task.hpp"
#include "worker/core/merge/gates.hpp"

namespace agent_branch {

// statement_timeout: of the transaction, which holds again after the gate's own.
BranchScript GateInTransaction(const GateRow &gate, milliseconds statement_timeout);

// The error that such a script, or its time, ended the transaction with.
GateAnswer ReadGateError(const GateRow &gate, const ServerError &error);

}  // namespace agent_branch
