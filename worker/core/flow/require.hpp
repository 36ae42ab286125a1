// Preconditions that are checked: Require(condition, "what must hold").
//
// A condition that does not hold is a fault of ours, never of an answer or a text. It ends the flow
// that found it: Require() throws, the flow's actor catches it, shows an internal error and tries
// from its rows again, after a while. So a fault stays one session's trouble, and the process
// lives. In tests FailedRequirements() tells that one was broken.
#pragma once

#include <string>

namespace agent_branch {

// Thrown by Require(), caught by Actor::Run() and by nobody else.
class BrokenRequirement {
 public:
  explicit BrokenRequirement(const char *what) : what_(what) {}
  const char *what() const { return what_; }

 private:
  const char *what_;
};

// How many were broken since the process began: a test holds it at zero.
int FailedRequirements();

void NoteBrokenRequirement();

inline void Require(bool condition, const char *what) {
  if (condition) return;
  NoteBrokenRequirement();
  throw BrokenRequirement(what);
}

}  // namespace agent_branch
