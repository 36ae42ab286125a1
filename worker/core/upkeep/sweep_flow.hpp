// The reaper: each project looks at its branches at Neon, says what each is to us, and ends what is
// due.
//
// Due is a session that is older than max_age or past its own expiry, and a branch whose
// annotation says that it is ours while no table knows it. Nothing else is ever touched. A sweep
// that cannot see a project whole says so and ends nothing there. Each project sweeps itself on a
// schedule of its own, so that what is in the way of one is in nobody else's; a run that somebody
// asked for (agent_reap) is the sum of one sweep each, and ends when each was done or is in
// trouble.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class SweepFlow {
 public:
  // expire: called for each session that is due; it is the engine's to interrupt and end it.
  SweepFlow(SessionContext *context, std::function<void(Session &)> expire)
      : context_(context), expire_(std::move(expire)) {}

  // A run over all projects.
  void StartRun(SweepRow run);
  // What the project's sweeper does next: by request, because reap_interval has passed since the
  // last one, or because the project has no room for a branch that a session needs.
  Flow<> Next(Project &project);
  // reap_interval may be another one.
  void Reconfigure();

 private:
  // What one sweep of one project has found.
  struct Sweep {
    Project *project = nullptr;
    SweepRow row;
    bool of_run = false;
    std::set<int64_t> expiring;  // sessions it ended, not finished yet
    int deletions = 0;
    std::optional<Instant> troubled_since;
    bool given_up = false;  // the trouble lasts, and the flow is ended
  };
  struct Run {
    SweepRow row;
    std::set<int64_t> projects;  // not done yet
  };

  Flow<> SweepAndEnd(Sweep sweep);
  Flow<Status> SweepProject(Sweep &sweep);
  Flow<> AwaitExpiring(Sweep &sweep);
  bool IsExpiring(const Sweep &sweep) const;
  void Schedule(Project &project);

  void Classify(Sweep &sweep, const std::vector<NeonBranch> &branches);
  SweepBranchRow Describe(const Sweep &sweep, const NeonBranch &branch) const;
  // Begins with what the row says, unless it is a dry run.
  void Delete(Sweep &sweep, SweepBranchRow &row);
  // Of a session's branch, when Neon has another one than the session.
  void CorrectExpiry(const Sweep &sweep, const SweepBranchRow &row);
  // A branch that is ours and in no table gets into one, and is deleted from there.
  void AdoptOrphan(Project &project, const SweepBranchRow &row);
  void AddGhosts(Sweep &sweep, const std::vector<NeonBranch> &branches);
  void ExpireQueued(Sweep &sweep);
  void Expire(Sweep &sweep, Session &session);
  bool IsDue(const Session &session) const;

  // What passes soon is waited for. Trouble that lasts ends the sweep, and another one begins
  // later.
  void OnTrouble(Sweep &sweep, const Status &why);
  // Tells how the sweep ended; after a failure the project's own schedule tries again.
  void End(Sweep &sweep, const Status &status);
  void ShowTrouble(Project &project, const Status &why);
  // The project's part of the run is done, or cannot be done now.
  void EndInRun(int64_t run_id, int64_t project_id, const std::string &error);

  SessionContext *context_;
  std::function<void(Session &)> expire_;
  std::map<int64_t, Run> runs_;
};

}  // namespace agent_branch
