// PostgreSQL's md5(), for what is put together here of what a server has said.
#pragma once

#include <string>
#include <string_view>

namespace agent_branch {

// 32 hexadecimal digits; it tells texts apart, and proves nothing to somebody who means harm. Empty
// where the library refuses it, as one does that is limited to FIPS 140.
std::string Md5(std::string_view text);

}  // namespace agent_branch
