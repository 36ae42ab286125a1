// A whole small world around an Engine: the loop of the worker, a clock that jumps to whatever is
// due next, and crashes at a chosen commit.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/unit/core/fake_branches.hpp"
#include "tests/unit/core/fake_neon.hpp"
#include "tests/unit/core/fake_scripts.hpp"
#include "tests/unit/core/fake_store.hpp"
#include "worker/core/engine.hpp"

namespace agent_branch {

class EngineDriver {
 public:
  EngineDriver();

  // Runs until `there` holds; false when nothing moves any more, or nothing comes of it for long.
  bool RunUntil(const std::function<bool()> &there);
  bool RunUntilState(int64_t session_id, SessionState state);
  bool RunUntilFinished(int64_t session_id);
  // Until nothing is to be done now or in the next hour.
  void RunUntilIdle();
  // One turn of the worker's loop; false: there was nothing to do.
  bool Turn();

  // What is not in the store is forgotten.
  void Restart();
  // At the n-th commit from the start, counted from 1.
  enum class Crash { kNever, kBeforeCommit, kAfterCommit };
  void CrashAt(Crash when, int commit) {
    crash_ = when;
    crash_at_ = commit;
  }
  // The same, counted from now on.
  void CrashAfterMore(Crash when, int commits) { CrashAt(when, commits_ + commits); }
  bool requests_arrive = true;  // those under way at a crash

  // A session that is ready, with an hour to live.
  int64_t ReadySession(const std::string &name);
  // The same with migrations applied.
  int64_t MigratedSession(const std::string &name, const std::string &sql);
  const SessionRow &Row(int64_t session_id) const { return store.sessions.at(session_id); }
  FakeBranch *BranchOf(int64_t session_id) { return neon.Named(Row(session_id).branch_name); }
  int64_t InAnHour() const { return clock.UnixTime() + 3'600; }

  FakeClock clock;
  FakeRandom random;
  FakeKeys keys;
  FakeScripts scripts;
  FakeStore store;
  FakeNeon neon{&clock};
  FakeBranches branches{&neon};
  Settings settings;
  std::unique_ptr<Engine> engine;
  int restarts = 0;

 private:
  bool CommitBatch();

  Crash crash_ = Crash::kNever;
  int crash_at_ = 0;
  int commits_ = 0;
};

}  // namespace agent_branch
