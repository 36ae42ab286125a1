// One description of a database from the rows that FingerprintStatements() return.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace agent_branch {

struct FingerprintAnswer {
  std::string digits;   // 32 hexadecimal ones, over all objects in the order of their keys' bytes
  std::string objects;  // a JSON object, "kind identity" → hash
};

// pages: JSON objects. Nothing when one of them is something else.
std::optional<FingerprintAnswer> ReadFingerprint(const std::vector<std::string> &pages);

}  // namespace agent_branch
