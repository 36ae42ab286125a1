// The part of the Neon API that makes projects: requests as values, answers as structs, as in
// neon_api.hpp.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {

struct ProjectSpecification {
  std::string name;
  std::string branch;    // the name of its first branch
  std::string database;  // empty, here and below: Neon's choice
  std::string role;
  std::string region;
  std::string organization;
  int postgres_version = 0;  // 0: Neon's choice
  double min_cu = 0.25;
  double max_cu = 1;
  bool bare_compute = false;                      // leave the autoscaling limits to the plan
  std::map<std::string, std::string> annotation;  // of its first branch
};

struct NeonProject {
  std::string id;
  std::string name;
};

struct NeonProjectPage {
  std::vector<NeonProject> projects;
  std::string next;  // cursor; may be set on the last page too
};

NeonRequest CreateProjectRequest(const ProjectSpecification &project);
// Projects whose name or id contains `search`. organization: empty, the key's own.
NeonRequest ListProjectsRequest(std::string_view search, std::string_view organization,
                                std::string_view cursor, int limit);

// Of the answer to POST projects, which is a NeonChange as well.
Result<NeonProject> ParseProject(std::string_view body);
Result<NeonProjectPage> ParseProjectPage(std::string_view body);

}  // namespace agent_branch
