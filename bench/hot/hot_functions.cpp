// Google Benchmark of what the worker does often: reading answers, choosing calls, comparing
// schemas, reading SQL, and a turn of its loop with many sessions at rest.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>

#include "tests/unit/core/engine_driver.hpp"
#include "worker/core/fixer/sql_tokens.hpp"
#include "worker/core/merge/three_way.hpp"
#include "worker/core/neon/call_statistics.hpp"
#include "worker/core/neon/neon_api.hpp"
#include "worker/core/script/source_text.hpp"

namespace agent_branch {
namespace {

// What this process has used: what others use meanwhile is not the loop's.
double ProcessorMs() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

std::string BranchPage(int branches) {
  std::string page = R"({"branches":[)";
  for (int n = 0; n < branches; ++n) {
    const std::string id = std::to_string(n);
    page +=
        std::string(n == 0 ? "" : ",") + R"({"id":"br-quiet-sun-)" + id + R"(","name":"somebody-)" +
        id +
        R"(","parent_id":"br-parent","current_state":"ready","logical_size":30000000,)"
        R"("created_at":"2026-06-01T00:00:00Z","default":false,"protected":false,"cpu_used_sec":12})";
  }
  return page + R"(],"pagination":{"next":"abc"}})";
}

void ParsePageOfBranches(benchmark::State &state) {
  const std::string page = BranchPage(static_cast<int>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(ParseBranchPage(page));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(page.size()));
}
BENCHMARK(ParsePageOfBranches)->Arg(100);

std::string OperationPage(int operations) {
  std::string page = R"({"operations":[)";
  for (int n = 0; n < operations; ++n) {
    page +=
        std::string(n == 0 ? "" : ",") + R"({"id":"op-)" + std::to_string(n) +
        R"(","branch_id":"br-1","action":"create_branch","status":"finished","total_duration_ms":12})";
  }
  return page + "]}";
}

void ParsePageOfOperations(benchmark::State &state) {
  const std::string page = OperationPage(static_cast<int>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(ParseOperationPage(page));
}
BENCHMARK(ParsePageOfOperations)->Arg(100);

void CompareSchemasOfTables(benchmark::State &state) {
  ObjectMap base;
  for (int64_t n = 0; n < state.range(0); ++n)
    base["table public.t" + std::to_string(n)] = "d41d8cd98f00b204e9800998ecf8427e";
  ObjectMap branch = base;
  branch["table public.new"] = "e2fc714c4727ee9395f324cd2e7f331f";
  ObjectMap parent = base;
  parent["table public.other"] = "1f3870be274f6c49b3e31a0c6728957f";
  for (auto _ : state)
    benchmark::DoNotOptimize(CompareThreeWays(base, branch, parent));
}
BENCHMARK(CompareSchemasOfTables)->Arg(1000)->Arg(20000)->Unit(benchmark::kMillisecond);

void TokenizeMigration(benchmark::State &state) {
  std::string sql;
  while (sql.size() < 64 * 1024)
    sql +=
        "ALTER TABLE todos ADD COLUMN done_at timestamptz DEFAULT now() CHECK (done_at > "
        "'2020-01-01'); -- when\n";
  for (auto _ : state)
    benchmark::DoNotOptimize(Tokenize(sql));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(sql.size()));
}
BENCHMARK(TokenizeMigration);

void CountCall(benchmark::State &state) {
  CallStatistics statistics;
  CallReport report;
  report.route = "POST branches";
  report.took = milliseconds(12);
  for (auto _ : state)
    statistics.Count(report);
}
BENCHMARK(CountCall);

// Everything rests; one session is made and given up, a turn at a time.
void TurnOfTheLoop(benchmark::State &state) {
  EngineDriver driver;
  driver.settings.rate_limit_per_minute = 1'000'000;
  driver.settings.rate_limit_burst = 1'000'000;
  driver.settings.active_computes = 1'000'000;
  driver.neon.branch_limit = 1'000'000;
  driver.store.projects.at(1).max_parallel = 1'000'000;
  driver.Restart();
  for (int64_t n = 0; n < state.range(0); ++n)
    driver.store.CreateSession("resting-" + std::to_string(n), driver.InAnHour() + 86'400);
  driver.RunUntilIdle();
  int64_t number = 0;
  int64_t turns = 0;
  double longest = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const int64_t id =
        driver.store.CreateSession("moving-" + std::to_string(number++), driver.InAnHour());
    state.ResumeTiming();
    for (;;) {
      const double began = ProcessorMs();
      const bool moved = driver.Turn();
      longest = std::max(longest, ProcessorMs() - began);
      ++turns;
      if (driver.Row(id).state == SessionState::kReady || driver.Row(id).finished) break;
      if (moved) continue;
      if (std::optional<Instant> next = driver.engine->NextDeadline())
        driver.clock.AdvanceTo(*next);
    }
    state.PauseTiming();
    driver.store.Discard(id);
    driver.RunUntilFinished(id);
    state.ResumeTiming();
  }
  state.counters["turns"] =
      benchmark::Counter(static_cast<double>(turns) / static_cast<double>(state.iterations()));
  state.counters["longest_ms"] = longest;
  state.counters["live"] = static_cast<double>(driver.engine->CurrentLoad().sessions);
}
BENCHMARK(TurnOfTheLoop)
    ->Arg(10)
    ->Arg(1000)
    ->Arg(10000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(30);

}  // namespace
}  // namespace agent_branch

BENCHMARK_MAIN();
