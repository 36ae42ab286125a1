#include "worker/core/upkeep/sweep_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

constexpr BackoffPolicy kAgain{milliseconds(30'000), milliseconds(1'800'000)};
constexpr milliseconds kLookForExpiring{30'000};
constexpr milliseconds kLastingTrouble{10'000};
constexpr size_t kMaxError = 500;

}  // namespace

void SweepFlow::StartRun(SweepRow row) {
  row.started = true;
  context_->journal().Add(row);
  Run run;
  run.row = row;
  for (const auto &[id, project] : context_->inventory().projects) {
    run.projects.insert(id);
    project->sweeps_wanted.push_back(row.id);
    project->sweeper->Wake();
  }
  const bool nothing = run.projects.empty();
  runs_[row.id] = std::move(run);
  if (nothing) EndInRun(row.id, 0, {});
}

void SweepFlow::EndInRun(int64_t run_id, int64_t project_id, const std::string &error) {
  auto found = runs_.find(run_id);
  if (found == runs_.end()) return;
  Run &run = found->second;
  if (project_id != 0 && run.projects.erase(project_id) == 0) return;
  if (!error.empty() && run.row.error.empty()) run.row.error = CleanText(error, kMaxError);
  if (!run.projects.empty()) return;
  run.row.finished = true;
  context_->journal().Add(run.row);
  runs_.erase(found);
}

void SweepFlow::Schedule(Project &project) {
  project.next_sweep.reset();
  const int64_t interval = context_->settings().reap_interval;
  if (interval <= 0) return;
  // Spread, so that thousands of projects do not ask at once.
  const auto whole = std::chrono::seconds(interval);
  const double share =
      context_->inventory().projects.size() > 1 ? context_->random().Next() / 10 : 0;
  const auto spread =
      milliseconds(static_cast<int64_t>(static_cast<double>(milliseconds(whole).count()) * share));
  project.next_sweep = context_->now() + whole - spread;
  project.sweeper->WakeAt(*project.next_sweep);
}

void SweepFlow::Reconfigure() {
  for (const auto &[id, project] : context_->inventory().projects) {
    Schedule(*project);
    // What failed may have been mended.
    if (project->sweeper->failures > 0 && project->next_sweep)
      project->next_sweep = context_->now();
    project->sweeper->Wake();
  }
}

Flow<> SweepFlow::Next(Project &project) {
  Sweep sweep;
  sweep.project = &project;
  if (!project.next_sweep && context_->settings().reap_interval > 0) Schedule(project);
  if (!project.sweeps_wanted.empty()) {
    const int64_t id = project.sweeps_wanted.front();
    project.sweeps_wanted.pop_front();
    auto run = runs_.find(id);
    if (run == runs_.end()) {
      project.sweeper->Wake();
      return {};
    }
    sweep.row = run->second.row;
    sweep.of_run = true;
    return SweepAndEnd(std::move(sweep));
  }
  const bool due = project.next_sweep && *project.next_sweep <= context_->now();
  if (!due && !project.sweep_for_room) {
    if (project.next_sweep) project.sweeper->WakeAt(*project.next_sweep);
    return {};
  }
  project.sweep_for_room = false;
  if (due) Schedule(project);
  Result<int64_t> id = context_->store().CreateSweep();
  if (!id.ok()) return {};  // the next one comes by itself
  sweep.row.id = id.value();
  sweep.row.started = true;
  context_->journal().Add(sweep.row);
  return SweepAndEnd(std::move(sweep));
}

Flow<> SweepFlow::SweepAndEnd(Sweep sweep) {
  Status status = co_await SweepProject(sweep);
  if (status.ok()) co_await AwaitExpiring(sweep);
  End(sweep, status);
}

void SweepFlow::End(Sweep &sweep, const Status &status) {
  Project &project = *sweep.project;
  if (sweep.of_run) {
    EndInRun(sweep.row.id, project.row.id,
             status.ok() ? "" : "project " + project.row.neon_id + ": " + status.message());
  } else {
    sweep.row.error = CleanText(status.message(), kMaxError);
    sweep.row.finished = true;
    context_->journal().Add(sweep.row);
  }
  ShowTrouble(project, status);
  UpkeepActor &actor = *project.sweeper;
  actor.failures = status.ok() ? 0 : actor.failures + 1;
  if (status.ok() || context_->settings().reap_interval <= 0) return;
  const Instant again = context_->now() + context_->Backoff(kAgain, actor.failures);
  if (!project.next_sweep || again < *project.next_sweep) project.next_sweep = again;
}

void SweepFlow::ShowTrouble(Project &project, const Status &why) {
  UpkeepRow row = project.upkeep;
  row.project_id = project.row.id;
  const std::string error = why.ok() ? std::string() : CleanLines(ErrorText(why), kMaxError);
  const int64_t now = context_->unix_time();
  if (error.empty()) {
    row.swept_at = now;
    row.error_since = 0;
  } else if (row.error.empty()) {
    row.error_since = now;
  }
  const bool same = !error.empty() && error == row.error;
  row.error = error;
  project.upkeep = row;
  if (!same) context_->journal().Add(row);
}

void SweepFlow::OnTrouble(Sweep &sweep, const Status &why) {
  if (sweep.given_up) return;
  if (why.ok()) {
    sweep.troubled_since.reset();
    return;
  }
  const Instant now = context_->now();
  if (!sweep.troubled_since) sweep.troubled_since = now;
  ShowTrouble(*sweep.project, why);
  if (now < *sweep.troubled_since + kLastingTrouble) return;
  sweep.given_up = true;
  End(sweep, why);
  sweep.project->sweeper->Interrupt();
}

Flow<Status> SweepFlow::SweepProject(Sweep &sweep) {
  Project &project = *sweep.project;
  ExpireQueued(sweep);
  ApiCall like;
  like.priority = Priority::kCleanup;
  like.project = &project;
  like.trouble = [this, &sweep](const Status &why) { OnTrouble(sweep, why); };
  ListedBranches all;
  Result<std::vector<NeonBranch>> branches =
      co_await context_->ListBranches(*project.sweeper, std::move(like), std::move(all));
  // A list that is not whole proves nothing.
  if (!branches.ok()) co_return branches.status();
  Classify(sweep, branches.value());
  AddGhosts(sweep, branches.value());
  if (!sweep.row.dry_run) {
    project.delete_kept_wanted = true;
    project.deleter->Wake();
  }
  co_return Status();
}

bool SweepFlow::IsExpiring(const Sweep &sweep) const {
  return std::any_of(sweep.expiring.begin(), sweep.expiring.end(), [this](int64_t id) {
    const Session *session = context_->inventory().FindSession(id);
    // One that is in trouble must not hold up the sweep; its own row tells of it.
    return session != nullptr && !session->row.finished && session->row.error.empty();
  });
}

Flow<> SweepFlow::AwaitExpiring(Sweep &sweep) {
  // Bounded: a session that stands still without a reason is nobody's to wait for.
  constexpr int kMostLooks = 20;
  for (int looks = 0; looks < kMostLooks && IsExpiring(sweep); ++looks) {
    co_await ConditionWait(sweep.project->sweeper.get(), &sweep.project->session_left,
                           "sessions that are being ended", context_->now() + kLookForExpiring);
  }
}

bool SweepFlow::IsDue(const Session &session) const {
  const int64_t now = context_->unix_time();
  return now >= session.row.expires_at ||
         now >= session.row.created_at + context_->settings().max_age;
}

void SweepFlow::Expire(Sweep &sweep, Session &session) {
  sweep.expiring.insert(session.row.id);
  expire_(session);
}

void SweepFlow::ExpireQueued(Sweep &sweep) {
  if (sweep.row.dry_run) return;
  const std::map<int64_t, Session *> sessions = sweep.project->sessions;
  for (const auto &[id, session] : sessions) {
    const SessionState state = session->row.state;
    // Of one that is being made, the list need not know.
    const bool branchless = state == SessionState::kQueued || state == SessionState::kCreating ||
                            (state == SessionState::kFailed && session->row.branch_id.empty());
    if (branchless && IsDue(*session)) Expire(sweep, *session);
  }
}

}  // namespace agent_branch
