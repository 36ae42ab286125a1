#include "worker/core/neon/parent.hpp"

namespace agent_branch {
namespace {

Status Unfit(const ProjectRow &project, const std::string &why, const std::string &hint) {
  return Status::Error("55000", "parent branch \"" + project.parent + "\" " + why,
                       "It is the parent of Neon project \"" + project.neon_id + "\".", hint);
}

}  // namespace

Result<NeonBranch> CheckParent(const ProjectRow &project, const std::optional<NeonBranch> &named) {
  if (!named) {
    return Unfit(project, "does not exist",
                 "Create the branch at Neon, or register the project with the parent it has.");
  }
  if (!named->expires_at.empty()) {
    return Unfit(project, "has an expiry",
                 "Clear its expiry at Neon: an expiring branch cannot have children.");
  }
  return *named;
}

Result<NeonBranch> CheckRestorable(const ProjectRow &project,
                                   const std::optional<NeonBranch> &named) {
  Result<NeonBranch> parent = CheckParent(project, named);
  if (!parent.ok()) return parent;
  if (parent->is_default) {
    return Unfit(project, "is the project's default branch",
                 "Merge by replay, or register the project with a branch that is not the default "
                 "one as its parent.");
  }
  if (parent->parent_id.empty()) {
    return Unfit(project, "is a root branch",
                 "Merge by replay, or register the project with a child of the root branch as its "
                 "parent.");
  }
  if (parent->is_protected) {
    return Unfit(project, "is protected",
                 "Merge by replay, or take the protection off at Neon: a protected branch cannot "
                 "be restored.");
  }
  return parent;
}

}  // namespace agent_branch
