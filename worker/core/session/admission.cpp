#include "worker/core/session/admission.hpp"

#include <algorithm>

namespace agent_branch {
namespace {

constexpr BackoffPolicy kNoRoom{milliseconds(5'000), milliseconds(120'000)};
constexpr milliseconds kBetweenSweeps{60'000};

// What the queue waits for may change while a session waits.
class PlaceWait : public ConditionWait {
 public:
  PlaceWait(Session *session, const Admission *admission, const Project *project,
            std::optional<Instant> until)
      : ConditionWait(session, &session->place_offered, {}, until),
        admission_(admission),
        project_(project) {}
  std::string What() const override { return admission_->WhyWaits(*project_); }

 private:
  const Admission *admission_;
  const Project *project_;
};

}  // namespace

bool Admission::MayBegin(Project &project) const {
  if (project.row.paused || project.places >= project.row.max_parallel) return false;
  const bool probing =
      project.refusals > 0 && (project.creating > 0 || context_->now() < project.room_at);
  if (probing) return false;
  const int limit = context_->settings().active_computes;
  const int of_parent = limit > 1 ? 1 : 0;  // with less nobody could ever begin
  if (project.places + project.awake + of_parent < limit) return true;
  // A kept branch's compute sleeps by itself after some minutes; there is no need to wait for that.
  if (project.awake > 0 && !project.suspend_wanted) {
    project.suspend_wanted = true;
    if (project.suspender) project.suspender->Wake();
  }
  return false;
}

std::string Admission::WhyWaits(const Project &project) const {
  if (project.row.paused) return "agent_project_resume(), since the project is paused";
  if (project.places >= project.row.max_parallel) {
    return "one of the project's " + std::to_string(project.row.max_parallel) + " places";
  }
  if (project.refusals > 0) return "room for another branch at Neon";
  return "one of the project's " + std::to_string(context_->settings().active_computes) +
         " active computes";
}

Flow<> Admission::AwaitPlace(Session &session) {
  Project &project = context_->ProjectOf(session);
  for (;;) {
    // The queue is in the order of creation; its first one tries, the others wait for it.
    const bool first = !project.queue.empty() && *project.queue.begin() == session.row.id;
    if (first && MayBegin(project)) break;
    std::optional<Instant> until;
    if (first && project.refusals > 0 && project.room_at > context_->now()) until = project.room_at;
    co_await PlaceWait(&session, this, &project, until);
  }
  context_->MoveTo(session, SessionState::kCreating);
}

void Admission::QueueAgain(Session &session, const Status &why) {
  Project &project = context_->ProjectOf(session);
  if (context_->now() >= project.room_at) {
    ++project.refusals;
    project.room_at = context_->now() + context_->Backoff(kNoRoom, project.refusals);
  }
  MakeRoom(project);
  session.parent_checked = false;
  context_->MoveTo(session, SessionState::kQueued);
  context_->ShowTrouble(session, why);
}

void Admission::MakeRoom(Project &project) {
  project.delete_kept_wanted = true;
  if (project.deleter) project.deleter->Wake();
  const bool due =
      !project.swept_for_room_at || context_->now() >= *project.swept_for_room_at + kBetweenSweeps;
  if (!due) return;
  project.swept_for_room_at = context_->now();
  project.sweep_for_room = true;
  if (project.sweeper) project.sweeper->Wake();
}

}  // namespace agent_branch
