// Runs operations one after the other: each takes its configured time or that of its real work,
// whichever is longer, and is reported as Neon reports it.
//
// A chain belongs to one request. When an operation fails, the rest of its chain does not run and
// is reported with the same status.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/engine.hpp"
#include "emulator/loop.hpp"
#include "emulator/model.hpp"

namespace agent_branch::emulator {

struct Step {
  OperationPtr operation;
  std::function<void(Engine::Done)> work;  // may be empty
  std::function<void()> succeeded;         // what the model shows afterwards; may be empty
  std::function<void()> failed;
  bool delay_first = false;  // the work's effect must not be seen before the time is over
};

// What a fault makes of a request's operations.
struct Fate {
  enum Kind { kNormal, kFail, kCancel, kSkip };

  Fate(Kind what = kNormal) : kind(what) {}
  // What becomes of an operation of this kind.
  Kind Of(const std::string &operation) const {
    return action.empty() || action == operation ? kind : kNormal;
  }

  Kind kind;
  std::string action;  // only of this kind of operation; empty: of all
};

class OperationRunner {
 public:
  OperationRunner(Loop &loop, const std::map<std::string, int64_t> &durations,
                  std::unordered_map<std::string, Project> &projects)
      : loop_(loop), durations_(durations), projects_(projects) {}

  // With nothing to wait for, the steps are finished when Run returns.
  void Run(std::vector<Step> steps, Fate fate);

  std::function<void()> on_ended;  // one operation, whatever its outcome

 private:
  struct Chain {
    std::vector<Step> steps;
    size_t at = 0;
    Fate fate;
    int awaited = 0;  // the timer, the work
    std::string error;
  };
  using ChainPtr = std::shared_ptr<Chain>;

  void Begin(const ChainPtr &chain);
  void Work(const ChainPtr &chain);
  void Arrive(const ChainPtr &chain);
  void Finish(const ChainPtr &chain);
  void End(const OperationPtr &operation, const std::string &status, const std::string &error);
  std::chrono::milliseconds Duration(const std::string &action) const;

  Loop &loop_;
  const std::map<std::string, int64_t> &durations_;
  std::unordered_map<std::string, Project> &projects_;
};

}  // namespace agent_branch::emulator
