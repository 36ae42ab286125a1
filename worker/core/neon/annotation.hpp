// What we write into a branch's annotation, which can be set only when the branch is made: whose it
// is.
//
// That, and nothing else, proves a branch ours: not its name, nor its age.
#pragma once

#include <map>
#include <set>
#include <string>

#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {

inline constexpr char kInstallationKey[] = "agent-branch-installation";
inline constexpr char kSessionKey[] = "agent-branch-session";

inline std::map<std::string, std::string> Annotate(const std::string &installation,
                                                   const std::string &session_uuid) {
  return {{kInstallationKey, installation}, {kSessionKey, session_uuid}};
}

// "" when the branch has no such annotation.
inline std::string AnnotatedWith(const NeonBranch &branch, const char *key) {
  auto found = branch.annotation.find(key);
  return found == branch.annotation.end() ? std::string() : found->second;
}

// Whether one of these installations made the branch.
inline bool IsMadeBy(const std::set<std::string> &installations, const NeonBranch &branch) {
  return installations.count(AnnotatedWith(branch, kInstallationKey)) > 0;
}

}  // namespace agent_branch
