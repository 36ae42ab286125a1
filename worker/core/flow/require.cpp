#include "worker/core/flow/require.hpp"

namespace agent_branch {
namespace {

int failed_requirements = 0;

}  // namespace

int FailedRequirements() {
  return failed_requirements;
}

void NoteBrokenRequirement() {
  ++failed_requirements;
}

}  // namespace agent_branch
