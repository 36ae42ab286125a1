// Computes of kept branches are suspended when others need their place among the active ones.
//
// A branch that a merge left behind (RetireFlow) keeps its compute, which Neon suspends by itself
// after some minutes without a connection. Only when a session waits for it is it told to at once.
#pragma once

#include "worker/core/session/desk.hpp"

namespace agent_branch {

class SuspendFlow {
 public:
  explicit SuspendFlow(Desk *desk) : desk_(desk) {}

  // Suspends one compute of each project that wants it and has none under way.
  void Advance();
  std::optional<Instant> NextDeadline() const;

 private:
  void Suspend(Project *project, const KeptBranchRow &kept);
  void OnAnswer(Project *project, const std::string &branch_id, const ApiAnswer &answer,
                const StepRow &step);

  // After a 404: a key that lost its scope is answered so too.
  void ConfirmGone(Project *project, const std::string &branch_id);
  void Asleep(Project *project, const std::string &branch_id);
  void TryAgain(Project *project);

  Desk *desk_;
};

}  // namespace agent_branch
