// A reading that is kept: what the parser of one server made of a text stays what the text is, also
// after a restart, an upgrade, or with another stack limit.
//
// Kept is what carrying out and judging a migration needs: the statements' places, what bounds
// transactions, settings, risks. Their effects and mentions, which only compare one text with
// another, are not.
#pragma once

#include <string>
#include <string_view>

#include "worker/core/script/script.hpp"

namespace agent_branch {

// parser: whose reading it is, such as "15". "" where the text is not UTF-8, which JSON cannot
// hold: such a text is read anew each time.
std::string KeptScript(const Script &script, std::string_view sql, std::string_view parser);

// Fails with 22023 for what is no reading of this text: an unknown form, places that do not ascend
// or lie outside of it, more statements than a migration may have.
Result<Script> ReadKeptScript(std::string_view json, std::string_view sql);

}  // namespace agent_branch
