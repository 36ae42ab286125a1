#include "worker/core/session/admission.hpp"

#include <algorithm>

namespace agent_branch {
namespace {

constexpr BackoffPolicy kNoRoom{milliseconds(5'000), milliseconds(120'000)};
constexpr milliseconds kBetweenSweeps{60'000};

bool IsGivenUp(const Session &session) {
  return session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire;
}

}  // namespace

Admission::Uses Admission::CountUses() const {
  Uses uses;
  for (const auto &[id, session] : desk_->world().sessions) {
    const SessionRow &row = session->row;
    bool branchless = row.branch_id.empty() && row.state == SessionState::kFailed;
    if (row.state == SessionState::kQueued || branchless || row.finished) continue;
    Use &use = uses[row.project_id];
    ++use.places;
    if (row.state == SessionState::kCreating && row.branch_id.empty()) ++use.creating;
  }
  for (const auto &[id, project] : desk_->world().projects) {
    for (const auto &[branch_id, kept] : project->kept)
      uses[id].awake += kept.endpoint_id.empty() ? 0 : 1;
  }
  return uses;
}

bool Admission::MayBegin(Project &project, const Use &use) const {
  if (use.places >= project.row.max_parallel) return false;
  bool probing = project.refusals > 0 && (use.creating > 0 || desk_->now() < project.room_at);
  if (probing) return false;
  int limit = desk_->settings().active_computes;
  int of_parent = limit > 1 ? 1 : 0;  // with less nobody could ever begin
  if (use.places + use.awake + of_parent < limit) return true;
  // A kept branch's compute sleeps by itself after some minutes; there is no need to wait for that.
  if (use.awake > 0) project.suspend_wanted = true;
  return false;
}

void Admission::Advance() {
  Uses uses = CountUses();
  for (const auto &[id, session] : desk_->world().sessions) {
    bool waits =
        session->row.state == SessionState::kQueued && session->activity == Activity::kNone;
    if (!waits) continue;
    if (IsGivenUp(*session)) {
      finish_(*session);
      continue;
    }
    Use &use = uses[session->row.project_id];
    if (!MayBegin(desk_->ProjectOf(*session), use)) continue;
    ++use.places;
    ++use.creating;
    desk_->MoveTo(*session, SessionState::kCreating);
  }
}

std::optional<Instant> Admission::NextDeadline() const {
  std::optional<Instant> next;
  for (const auto &[id, session] : desk_->world().sessions) {
    const Project &project = desk_->ProjectOf(*session);
    bool waits = session->row.state == SessionState::kQueued && project.refusals > 0 &&
                 project.room_at > desk_->now();
    if (waits && (!next || project.room_at < *next)) next = project.room_at;
  }
  return next;
}

std::string Admission::WhyWaits(const Session &session, const Use &use) const {
  const Project &project = desk_->ProjectOf(session);
  if (use.places >= project.row.max_parallel) {
    return "one of the project's " + std::to_string(project.row.max_parallel) + " places";
  }
  if (project.refusals > 0) return "room for another branch at Neon";
  return "one of the project's " + std::to_string(desk_->settings().active_computes) +
         " active computes";
}

void Admission::QueueAgain(Session &session, const Status &why) {
  Project &project = desk_->ProjectOf(session);
  if (desk_->now() >= project.room_at) {
    ++project.refusals;
    project.room_at = desk_->now() + desk_->Backoff(kNoRoom, project.refusals);
  }
  MakeRoom(project);
  session.parent_checked = false;
  desk_->MoveTo(session, SessionState::kQueued);
  desk_->ShowTrouble(session, why);
}

void Admission::MakeRoom(Project &project) {
  project.retire_wanted = true;
  bool due =
      !project.swept_for_room_at || desk_->now() >= *project.swept_for_room_at + kBetweenSweeps;
  if (!due) return;
  project.swept_for_room_at = desk_->now();
  project.sweep_wanted = true;
}

}  // namespace agent_branch
