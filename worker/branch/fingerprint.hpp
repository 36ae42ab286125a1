// The query that describes a database's schema, object by object, as hashes.
#pragma once

#include <string>

namespace agent_branch {

// server_version_num: such as 150004. The text is one SELECT without parameters that returns one
// row: 32 hexadecimal digits over all objects, and a JSON object "kind identity" → hash.
std::string FingerprintQuery(int server_version_num);

}  // namespace agent_branch
