// What the worker tells of its own doing: counters of its calls of the API, at debug level one line
// for each of them, and one log line for each state that a session comes to.
//
// A state is told after the commit that wrote it. What a line names the session by is what a person
// can look up: its name, project and branch, and the request by which Neon's support finds the last
// change that was made for it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <unordered_map>

#include "worker/core/neon/call_statistics.hpp"
#include "worker/core/state/owner.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

class CallLog : public CallObserver {
 public:
  void OnCall(const CallReport &report) override;

  // Rows as they were read: their states are known, and not told.
  void Know(const std::vector<ProjectRow> &projects, const std::vector<SessionRow> &sessions);
  // Tells of the states in a batch that was committed, but for what these own.
  void Tell(const Batch &batch, const std::set<Owner> &set_aside);

  // What was counted since the last time goes to shared memory.
  void Publish();

 private:
  struct Known {
    SessionState state;
    std::string request_id;  // of the last change since the last line
  };

  void Tell(const SessionRow &row);

  CallStatistics statistics_;
  std::unordered_map<int64_t, Known> sessions_;        // unfinished ones
  std::unordered_map<int64_t, std::string> projects_;  // their names
};

}  // namespace agent_branch
