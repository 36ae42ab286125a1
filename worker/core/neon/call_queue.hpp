// The calls of one API key that wait for their turn, in the order in which they are to go.
//
// Cleanup goes before merges, merges before migrations, these before new branches; polls, which
// only wait for something, have a share of the budget of their own (ApiCalls) and so come first.
// One turn in eight goes to the least urgent call that there is, so that none starves. Among calls
// of one urgency projects take turns; within a project it is first come, first served.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>

namespace agent_branch {

enum class Priority { kPoll, kCleanup, kMerge, kMigrate, kCreate };
inline constexpr size_t kPriorities = 5;

class CallQueue {
 public:
  // Whether the call may go now. A call that may not keeps back those of its project, its urgency
  // and its kind (reading or changing) that came after it, and no others.
  using MayGo = std::function<bool(uint64_t call_id)>;

  void Add(uint64_t call_id, Priority priority, int64_t project_id, bool changes);
  // Before all others of its project, urgency and kind: it had its turn already.
  void AddFirst(uint64_t call_id, Priority priority, int64_t project_id, bool changes);
  void Remove(uint64_t call_id, Priority priority, int64_t project_id, bool changes);
  // Takes out the call whose turn it is; 0: none of them may go.
  uint64_t Take(const MayGo &may_go);

  bool empty() const { return size_ == 0; }

 private:
  using Calls = std::deque<uint64_t>;
  struct Lane {
    Calls reads;
    Calls changes;
    std::list<int64_t>::iterator turn;
    bool empty() const { return reads.empty() && changes.empty(); }
  };
  struct Level {
    std::map<int64_t, Lane> lanes;  // by project
    std::list<int64_t> turns;       // projects, in the order of their turns
  };

  Calls &CallsOf(Priority priority, int64_t project_id, bool changes);
  uint64_t TakeFrom(Level &level, const MayGo &may_go);
  void LeaveIfEmpty(Level &level, int64_t project_id);

  std::array<Level, kPriorities> levels_;
  size_t size_ = 0;
  unsigned taken_ = 0;
};

}  // namespace agent_branch
