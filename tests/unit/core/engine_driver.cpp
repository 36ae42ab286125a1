#include "tests/unit/core/engine_driver.hpp"

#include <gtest/gtest.h>

namespace agent_branch {

EngineDriver::EngineDriver() {
  settings.api_url = "https://neon.test/api/v2";
  settings.reap_interval = 0;
  Restart();
  restarts = 0;
}

void EngineDriver::Restart() {
  ++restarts;
  neon.HangUp(requests_arrive);
  branches.HangUp();
  engine = std::make_unique<Engine>(Engine::Services{&neon, &branches, &store, &keys, nullptr,
                                                     &scripts, &clock, &random, &settings},
                                    store.Load().value());
  store.requests_due = !store.requests.empty();
}

bool EngineDriver::CommitBatch() {
  ++commits_;
  bool crash = crash_ != Crash::kNever && commits_ == crash_at_;
  if (crash && crash_ == Crash::kBeforeCommit) {
    Restart();
    return false;
  }
  if (!engine->batch().mutations.empty() && !store.Commit(engine->batch()).ok()) return false;
  if (crash) {
    Restart();
    return false;
  }
  engine->Committed();
  return true;
}

bool EngineDriver::Turn() {
  bool moved = false;
  for (const HttpCompletion &completion : neon.TakeCompletions()) {
    engine->OnHttp(completion);
    moved = true;
  }
  for (const BranchEvent &event : branches.TakeEvents()) {
    engine->OnBranch(event);
    moved = true;
  }
  if (store.requests_due) {
    store.requests_due = false;
    engine->OnRequests(store.ReadRequests().value());
    moved = true;
  }
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    engine->Advance();
    if (engine->HasBatch()) {
      moved = true;
      if (!CommitBatch()) return true;
    }
    if (!engine->HasWork()) break;
    moved = true;
  }
  return moved || !neon.idle() || !branches.idle();
}

bool EngineDriver::RunUntil(const std::function<bool()> &there) {
  constexpr int kTurns = 20'000;
  for (int turn = 0; turn < kTurns; ++turn) {
    if (there()) return true;
    if (Turn()) continue;
    std::optional<Instant> next = engine->NextDeadline();
    if (!next) return there();
    clock.AdvanceTo(*next);
  }
  return false;
}

bool EngineDriver::RunUntilState(int64_t session_id, SessionState state) {
  return RunUntil([&] { return Row(session_id).state == state; });
}

bool EngineDriver::RunUntilFinished(int64_t session_id) {
  return RunUntil([&] { return Row(session_id).finished; });
}

void EngineDriver::RunUntilIdle() {
  constexpr milliseconds kHour{3'600'000};
  Instant end = clock.Now() + kHour;
  RunUntil([&] {
    std::optional<Instant> next = engine->NextDeadline();
    return clock.Now() > end || (next && *next > end);
  });
}

int64_t EngineDriver::ReadySession(const std::string &name) {
  int64_t id = store.CreateSession(name, InAnHour());
  EXPECT_TRUE(RunUntilState(id, SessionState::kReady)) << Row(id).error;
  return id;
}

int64_t EngineDriver::MigratedSession(const std::string &name, const std::string &sql) {
  int64_t id = ReadySession(name);
  int64_t migration = store.Migrate(id, sql);
  EXPECT_TRUE(RunUntil([&] {
    return store.migrations.at(migration).status == MigrationStatus::kApplied &&
           Row(id).state == SessionState::kReady;
  })) << Row(id).error;
  return id;
}

}  // namespace agent_branch
