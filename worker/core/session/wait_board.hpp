// Why each session waits, for people to read: agent_sessions.waits_for and agent_worker.queue.
//
// Most waits are over in milliseconds and are nobody's business; what a session has waited for
// unchanged for a second is written to the store, once. So this costs nothing while things flow,
// and no timer runs once everything that waits has been told.
#pragma once

#include <map>
#include <string>

#include "worker/core/session/admission.hpp"

namespace agent_branch {

class WaitBoard {
 public:
  WaitBoard(Desk *desk, const Admission *admission) : desk_(desk), admission_(admission) {}

  // Looks at all sessions, at most once a second.
  void Advance();
  std::optional<Instant> NextDeadline() const { return next_look_; }

 private:
  struct Wait {
    std::string waits_for;
    Instant since{0};
    bool told = false;
    bool seen = true;  // in the look that is under way
  };

  std::string WhyWaits(const Session &session, Admission::Uses &uses) const;
  void Note(int64_t session_id, const std::string &waits_for);

  Desk *desk_;
  const Admission *admission_;
  std::map<int64_t, Wait> waits_;  // by session
  Instant looked_at_{-1'000'000};
  std::optional<Instant> next_look_;
};

}  // namespace agent_branch
