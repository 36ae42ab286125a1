// Which sessions get a branch now, and which wait as "queued".
//
// A project has max_parallel places, and Neon runs so many computes of a project at a time
// (active_compute_limit): that of the parent, those of sessions, and those of branches that had to
// be kept and were not suspended yet. First come, first served.
//
// When Neon refuses a branch for want of room (422 with a limit's code), the session goes back to
// the queue, the reaper looks for what can go, and one session at a time tries again: when a branch
// of the project went, or after a while.
#pragma once

#include <functional>
#include <map>

#include "worker/core/session/desk.hpp"

namespace agent_branch {

class Admission {
 public:
  // finish: ends a session that is given up before it has a branch.
  Admission(Desk *desk, std::function<void(Session &)> finish)
      : desk_(desk), finish_(std::move(finish)) {}

  void Advance();
  // When a project without room is tried again.
  std::optional<Instant> NextDeadline() const;

  struct Use {
    int places = 0;    // sessions that hold a branch or are making one
    int creating = 0;  // of these, those that have no branch yet
    int awake = 0;     // computes of kept branches
  };
  using Uses = std::map<int64_t, Use>;  // by project
  Uses CountUses() const;
  // What a queued session waits for, in words.
  std::string WhyWaits(const Session &session, const Use &use) const;

  // Neon had no room for the session's branch.
  void QueueAgain(Session &session, const Status &why);
  // Lets the reaper look for what can go: now, but not more often than once a minute.
  void MakeRoom(Project &project);

 private:
  bool MayBegin(Project &project, const Use &use) const;

  Desk *desk_;
  std::function<void(Session &)> finish_;
};

}  // namespace agent_branch
