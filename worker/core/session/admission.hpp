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

#include <string>

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class Admission {
 public:
  explicit Admission(SessionContext *context) : context_(context) {}

  // The session is queued: waits until it is its turn and there is a place, and moves it on to
  // kCreating.
  Flow<> AwaitPlace(Session &session);

  // Neon had no room for the session's branch.
  void QueueAgain(Session &session, const Status &why);
  // Lets the reaper look for what can go: now, but not more often than once a minute.
  void MakeRoom(Project &project);

  // What the project's queue waits for, in words.
  std::string WhyWaits(const Project &project) const;

 private:
  bool MayBegin(Project &project) const;

  SessionContext *context_;
};

}  // namespace agent_branch
