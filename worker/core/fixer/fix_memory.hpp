// Fixes that worked, to be offered again to the same failure.
//
// What makes two failures the same is a signature: the SQLSTATE, the message without its names and
// values, and the shape of the migration, in which names and constants are numbered by when they
// first occur. Two migrations of one shape differ in names and constants only, so that each of the
// one stands for one of the other; carried over into the fix, they make a fix for the new one. A
// fix that cannot be carried over without doubt is not offered. One that is offered is checked and
// tried like any other.
#pragma once

#include <optional>
#include <string>

#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

// 32 hexadecimal digits.
std::string FixSignature(const std::string &sql, const ServerError &error);

// The remembered fix with the names and constants of `sql` in the places of those of `original`;
// nothing when the two are not of one shape, or it is in doubt what stands for what.
std::optional<std::string> CarryOver(const std::string &original, const std::string &fix,
                                     const std::string &sql);

}  // namespace agent_branch
