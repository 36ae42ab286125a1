#include "tests/unit/core/fake_store.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/store_conformance.hpp"

namespace agent_branch {
namespace {

TEST(FakeStore, PassesTheCasesThatTheTablesPass) {
  FakeStore store;
  const int64_t first = store.CreateSession("one", 1'900'000'000);
  store.CreateSession("two", 1'900'000'000);
  store.Migrate(first, "m1");
  store.Migrate(first, "m2");
  StoreConformance conformance(&store);
  EXPECT_EQ(conformance.Failures(), std::vector<std::string>());
}

}  // namespace
}  // namespace agent_branch
