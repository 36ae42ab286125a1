// Runs each target over its corpus.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/targets.hpp"

namespace agent_branch::fuzz {
namespace {

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, IsTakenAsPromised) {
  size_t inputs = 0;
  // Tests are run at the top of the repository.
  std::filesystem::path folder = std::filesystem::path("tests/fuzz/corpus") / GetParam().name;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::string input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    ASSERT_FALSE(input.empty()) << entry.path();
    EXPECT_NO_THROW(GetParam().run(input)) << entry.path();
    ++inputs;
  }
  EXPECT_GE(inputs, 3u) << folder;
}

INSTANTIATE_TEST_SUITE_P(Targets, Corpus, testing::ValuesIn(kTargets),
                         [](const auto &target) { return std::string(target.param.name); });

}  // namespace
}  // namespace agent_branch::fuzz
