#include "worker/core/neon/call_queue.hpp"

#include <algorithm>

namespace agent_branch {
namespace {

// So many turns go by urgency before the least urgent has one.
constexpr unsigned kTurnsByUrgency = 7;

}  // namespace

CallQueue::Calls &CallQueue::CallsOf(Priority priority, int64_t project_id, bool changes) {
  Level &level = levels_[static_cast<size_t>(priority)];
  auto [found, added] = level.lanes.try_emplace(project_id);
  if (added) found->second.turn = level.turns.insert(level.turns.end(), project_id);
  return changes ? found->second.changes : found->second.reads;
}

void CallQueue::Add(uint64_t call_id, Priority priority, int64_t project_id, bool changes) {
  CallsOf(priority, project_id, changes).push_back(call_id);
  ++size_;
}

void CallQueue::AddFirst(uint64_t call_id, Priority priority, int64_t project_id, bool changes) {
  CallsOf(priority, project_id, changes).push_front(call_id);
  ++size_;
}

void CallQueue::Remove(uint64_t call_id, Priority priority, int64_t project_id, bool changes) {
  Calls &calls = CallsOf(priority, project_id, changes);
  auto found = std::find(calls.begin(), calls.end(), call_id);
  if (found != calls.end()) {
    calls.erase(found);
    --size_;
  }
  LeaveIfEmpty(levels_[static_cast<size_t>(priority)], project_id);
}

void CallQueue::LeaveIfEmpty(Level &level, int64_t project_id) {
  auto found = level.lanes.find(project_id);
  if (found == level.lanes.end() || !found->second.empty()) return;
  level.turns.erase(found->second.turn);
  level.lanes.erase(found);
}

uint64_t CallQueue::Take(const MayGo &may_go) {
  if (size_ == 0) return 0;
  const bool least_urgent_first = taken_ % (kTurnsByUrgency + 1) == kTurnsByUrgency;
  for (size_t n = 0; n < levels_.size(); ++n) {
    const size_t at = least_urgent_first ? levels_.size() - 1 - n : n;
    const uint64_t taken = TakeFrom(levels_[at], may_go);
    if (taken == 0) continue;
    ++taken_;
    --size_;
    return taken;
  }
  return 0;
}

uint64_t CallQueue::TakeFrom(Level &level, const MayGo &may_go) {
  for (auto turn = level.turns.begin(); turn != level.turns.end(); ++turn) {
    const int64_t project_id = *turn;
    Lane &lane = level.lanes.at(project_id);
    Calls *from = nullptr;
    // What came first goes first, unless only the other may go.
    const bool changes_first =
        !lane.changes.empty() && (lane.reads.empty() || lane.changes.front() < lane.reads.front());
    for (Calls *calls : {changes_first ? &lane.changes : &lane.reads,
                         changes_first ? &lane.reads : &lane.changes}) {
      if (from == nullptr && !calls->empty() && may_go(calls->front())) from = calls;
    }
    if (from == nullptr) continue;
    const uint64_t taken = from->front();
    from->pop_front();
    level.turns.splice(level.turns.end(), level.turns, turn);
    LeaveIfEmpty(level, project_id);
    return taken;
  }
  return 0;
}

}  // namespace agent_branch
