// The page: HTML of what was read, and the script that keeps it up to date.
//
// All HTML is made here, so that the page is the same with and without JavaScript: the script only
// fetches the part that changes, and puts it in the place of the old one.
#pragma once

#include <string>

#include "fleet/reader.hpp"

namespace agent_branch::fleet {

// The part that changes. Everything in it that came from the database is escaped.
std::string RenderState(const Snapshot &snapshot);
// The whole page around it. nonce: what its Content-Security-Policy allows script and style by.
std::string RenderPage(const Snapshot &snapshot, const std::string &nonce);

// Exposed for tests.
std::string Escaped(const std::string &text);
std::string Duration(double seconds);

}  // namespace agent_branch::fleet
