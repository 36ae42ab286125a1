// What a branch's server said while a migration ran, as agent_migration_attempts.notices shows it.
//
// Notices go with the record of their transaction, so that they are there once it is in effect, and
// with what is left of it when it fails.
#pragma once

#include <string>

#include "worker/core/flow/branch_task.hpp"
#include "worker/core/script/segments.hpp"

namespace agent_branch {

// A JSON array of {severity, sqlstate, message, detail, hint, statement, line, nothing, there}; ""
// when the server said nothing. statement is left out where it is not known; nothing: true where a
// statement had no effect, there: what is there instead. there: a JSON object, name → text, as
// ThereFacts() tells it, or "".
std::string NoticesJson(const Script &script, const Segment &segment, const BranchEvent &event,
                        const std::string &there = "");

// An SQL expression that tells what there is under the names that statements found taken, as a JSON
// object; "" when there are none.
std::string ThereFacts(const BranchEvent &event);

// The record, a JSON object, with these notices, of this attempt, and no others; `record` itself
// if there are none.
std::string WithNotices(const std::string &record, int attempt, const std::string &notices);

// An index of the wanted name is there, but invalid: it stays so, and is of no use. record: of the
// transaction, with `invalid`.
Status RefuseInvalidIndex(const BranchEvent &event, const std::string &record);
Status InvalidIndex(const std::string &name);

}  // namespace agent_branch
