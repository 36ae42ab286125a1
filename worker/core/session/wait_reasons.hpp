// Why each session waits, for people to read: agent_sessions.waits_for and agent_worker.queue.
//
// Most waits are over in milliseconds and are nobody's business; what a session has waited for
// unchanged for a second is written to the store, once. So this costs nothing while things flow,
// and no timer runs once everything that waits has been told.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "worker/core/state/journal.hpp"

namespace agent_branch {

class WaitReasons : public ActorObserver {
 public:
  WaitReasons(Inventory *inventory, Journal *journal, const Clock *clock)
      : inventory_(inventory), journal_(journal), clock_(clock) {}

  void OnSuspended(Actor &actor) override;
  void OnResumed(Actor &actor) override;
  // Tells of the waits that have lasted for a second.
  void Advance();
  std::optional<Instant> NextDeadline() const;

 private:
  struct Wait {
    Instant worth_telling_at;
    int64_t session_id;
    uint64_t number;
  };

  Inventory *inventory_;
  Journal *journal_;
  const Clock *clock_;
  std::deque<Wait> waits_;               // in the order in which they are worth telling
  std::map<int64_t, std::string> told_;  // by session
  Instant told_looked_at_{0};
};

}  // namespace agent_branch
