// What a replay is to do, and what it was concluded from.
#pragma once

#include <string>
#include <vector>

#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/parent_now.hpp"
#include "worker/core/merge/recorded_work.hpp"

namespace agent_branch {

// SQLSTATE of a replay that is tried again, kMostMoves times in all: somebody committed something
// on the branch while it was merged.
inline constexpr char kBranchMoved[] = "55006";
inline constexpr int kMostMoves = 5;

// One of the texts that run in the replay's transaction, in their order: gates of the parent, the
// guard, the migrations, gates of the branch.
struct ReplayScript {
  enum class Kind { kGate, kGuard, kMigration };
  Kind kind = Kind::kMigration;
  size_t number = 0;  // of the project's gates, or of the recorded migrations
  BranchScript script;
};

// What is compared with what the parent is in the replay's transaction.
struct ReplayPlan {
  RecordedWork recorded;
  BranchNow branch;
  ParentNow parent;
  ObjectMap base;
  ObjectMap expected;
  std::string guard;  // runs before the migrations; empty: nothing is taken away
  std::vector<GateRow> gates;
  std::vector<ReplayScript> scripts;
  Instant began{0};
};

}  // namespace agent_branch
