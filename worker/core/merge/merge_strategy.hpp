// How a session's branch becomes its parent's new state: one class a strategy.
//
// A strategy is driven while its session is in the state kMerging and holds the project's merge
// turn. It ends in one of three ways, by the functions of MergeDesk.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/core/session/desk.hpp"

namespace agent_branch {

// What a strategy may conclude; MergeFlow implements it.
class MergeDesk {
 public:
  virtual ~MergeDesk() = default;
  // The parent is the branch's state now.
  virtual void Merged(Session &session) = 0;
  // Refused, and the parent is untouched: the state kConflict.
  virtual void Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts) = 0;
  // Begun, and did not come to its end: the state kFailed.
  virtual void Broken(Session &session, const Status &why) = 0;
};

class MergeStrategy {
 public:
  virtual ~MergeStrategy() = default;
  // As in agent_merge()'s argument.
  virtual std::string_view name() const = 0;
  virtual void Drive(Session &session) = 0;
};

}  // namespace agent_branch
