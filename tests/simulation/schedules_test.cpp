// Thousands of schedules, each from a seed of its own.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "tests/simulation/simulation.hpp"

namespace agent_branch::simulation {
namespace {

TEST(Replay, OfOneSeed) {
  const char *text = std::getenv("AGENT_BRANCH_SIMULATION_SEED");
  if (text == nullptr) GTEST_SKIP() << "AGENT_BRANCH_SIMULATION_SEED names no seed";
  Schedule schedule = DrawSchedule(std::strtoull(text, nullptr, 10));
  std::cout << schedule.Describe();
  RunResult result = RunSchedule(schedule, true);
  for (const std::string &line : result.trace)
    std::cout << line << "\n";
  for (const std::string &violation : result.violations)
    ADD_FAILURE() << violation;
}

TEST(Quick, First) {
  const char *from = std::getenv("FROM");
  const char *count = std::getenv("COUNT");
  uint64_t first = from ? std::strtoull(from, nullptr, 10) : 1;
  uint64_t n = count ? std::strtoull(count, nullptr, 10) : 200;
  std::unordered_set<uint64_t> states;
  std::map<std::string, std::pair<int, uint64_t>> kinds;
  int64_t turns = 0, requests = 0;
  for (uint64_t seed = first; seed < first + n; ++seed) {
    RunResult result = RunSchedule(DrawSchedule(seed), false, &states);
    turns += result.turns;
    requests += result.requests;
    if (result.violations.empty()) continue;
    std::string kind;
    for (char c : result.violations[0].substr(result.violations[0].find("  ")))
      if (!isdigit(c)) kind += c;
    auto &entry = kinds[kind];
    if (entry.first++ == 0) entry.second = seed;
  }
  for (auto &[kind, entry] : kinds)
    std::cout << entry.first << " x (seed " << entry.second << ")" << kind << "\n";
  std::cout << states.size() << " states, turns " << turns << " requests " << requests << "\n";
}

}  // namespace
}  // namespace agent_branch::simulation
