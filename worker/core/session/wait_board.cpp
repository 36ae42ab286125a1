#include "worker/core/session/wait_board.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kWorthTelling{1'000};

}  // namespace

void WaitBoard::Advance() {
  Instant now = desk_->now();
  if (now < looked_at_ + kWorthTelling) {
    // Something has happened since: there may be something to tell then.
    if (!desk_->world().sessions.empty() || !waits_.empty())
      next_look_ = looked_at_ + kWorthTelling;
    return;
  }
  looked_at_ = now;
  next_look_.reset();
  for (auto &[id, wait] : waits_)
    wait.seen = false;
  Admission::Uses uses = admission_->CountUses();
  for (const auto &[id, session] : desk_->world().sessions) {
    std::string waits_for = WhyWaits(*session, uses);
    if (!waits_for.empty()) Note(id, waits_for);
  }
  for (auto at = waits_.begin(); at != waits_.end();) {
    if (at->second.seen) {
      if (!at->second.told) next_look_ = now + kWorthTelling;
      ++at;
      continue;
    }
    if (at->second.told) desk_->journal().Add(WaitRow{at->first, {}});
    at = waits_.erase(at);
  }
}

void WaitBoard::Note(int64_t session_id, const std::string &waits_for) {
  Wait &wait = waits_[session_id];
  wait.seen = true;
  if (wait.waits_for != waits_for) {
    if (wait.told) desk_->journal().Add(WaitRow{session_id, {}});
    wait.waits_for = waits_for;
    wait.since = desk_->now();
    wait.told = false;
  }
  if (wait.told || desk_->now() < wait.since + kWorthTelling) return;
  wait.told = true;
  desk_->journal().Add(WaitRow{session_id, waits_for});
}

std::string WaitBoard::WhyWaits(const Session &session, Admission::Uses &uses) const {
  switch (session.activity) {
    case Activity::kCall:
      return desk_->calls().WhyWaits(session.activity_id);
    case Activity::kTask: {
      bool migrates = session.row.state == SessionState::kMigrating && !session.migrations.empty();
      if (!migrates) return "an answer of a branch's database";
      return "migration " + std::to_string(session.migrations.front().ordinal) + " on its branch";
    }
    case Activity::kHelper:
      return "a process that reads a text or calls the project's function";
    case Activity::kModel:
      return "the answer of the fixer's model";
    case Activity::kOperations:
      return "operations at Neon";
    case Activity::kPause:
      return "its next try";
    case Activity::kCommit:
      return "the control database";
    case Activity::kNone:
      break;
  }
  if (session.row.finished) return {};
  if (session.row.state == SessionState::kQueued) {
    return admission_->WhyWaits(session, uses[session.row.project_id]);
  }
  if (session.row.state == SessionState::kMerging) return "the merge of another session";
  return {};
}

}  // namespace agent_branch
