// The reaper: looks at every branch of every project, says what each is to us, and ends what is
// due.
//
// Due is a session that is older than max_age or past its own expiry, and a branch whose
// annotation says that it is ours while no table knows it. Nothing else is ever touched. A sweep
// that cannot see a project whole says so and ends nothing there.
#pragma once

#include <deque>
#include <memory>
#include <set>

#include "worker/core/session/desk.hpp"

namespace agent_branch {

class SweepFlow {
 public:
  // expire: called for each session that is due; it is the engine's to interrupt and end it.
  SweepFlow(Desk *desk, std::function<void(Session &)> expire)
      : desk_(desk), expire_(std::move(expire)) {}

  // Queues a sweep; they run one after the other.
  void Add(const SweepRow &sweep);
  // Starts what is due: by request, because reap_interval has passed since the last one, or because
  // a project has no room for a branch that a session needs.
  void Advance();
  std::optional<Instant> NextDeadline() const;

 private:
  struct Sweep {
    SweepRow row;
    std::vector<int64_t> projects;  // not looked at yet
    std::set<int64_t> expiring;     // sessions it ended, not finished yet
    bool asking = false;
  };

  // A sweep that nobody asked for: of one project, or of all (0).
  void AddOwn(int64_t project_id);
  void Start();
  void NextProject();
  void OnBranches(int64_t project_id, const Result<std::vector<NeonBranch>> &branches);
  void Classify(Project &project, const std::vector<NeonBranch> &branches);
  // Begins with what the row says, unless it is a dry run.
  void Delete(Project &project, SweepBranchRow &row);
  // Of a session's branch, when Neon has another one than the session.
  void CorrectExpiry(const SweepBranchRow &row);
  // A branch that is ours and in no table gets into one, and is deleted from there.
  void AdoptOrphan(Project &project, const SweepBranchRow &row);
  void AddGhosts(const Project &project, const std::vector<NeonBranch> &branches);
  void ExpireQueued(const Project &project);
  SweepBranchRow Describe(const Project &project, const NeonBranch &branch) const;
  void Expire(Session &session);
  bool IsDue(const Session &session) const;
  void FinishIfDone();
  void Schedule();

  Desk *desk_;
  std::function<void(Session &)> expire_;
  std::deque<std::pair<SweepRow, int64_t>> waiting_;  // with the only project to look at, or 0
  std::unique_ptr<Sweep> current_;
  std::optional<Instant> next_scheduled_;
  int64_t scheduled_for_ = 0;  // the interval that next_scheduled_ was made with
};

}  // namespace agent_branch
