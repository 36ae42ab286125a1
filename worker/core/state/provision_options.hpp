// The options of agent_project_create(): what is said to Neon once, and what the project keeps.
#pragma once

#include <string>
#include <string_view>

#include "worker/core/base/status.hpp"

namespace agent_branch {

struct ProvisionOptions {
  std::string parent = "development";
  std::string database = "neondb";
  std::string role = "neondb_owner";
  std::string wish;             // JSON: production, region, organization, pg_version
  std::string project_options;  // JSON: the rest, which CheckProjectOptions() has not seen yet
};

// 42804 for a value of the wrong type, 22023 for one out of range, 42602 and 42622 for a name.
Result<ProvisionOptions> CheckProvisionOptions(std::string_view json);

}  // namespace agent_branch
