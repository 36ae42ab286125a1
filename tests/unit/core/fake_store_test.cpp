#include "tests/unit/core/fake_store.hpp"

#include "tests/unit/core/store_cases.hpp"

namespace agent_branch {
namespace {

TEST(FakeStore, LoadsWhatTheTablesWould) {
  FakeStore store;
  StoreGround ground;
  ground.project_id = 1;
  ground.first = store.sessions.at(store.CreateSession("one", 1'900'000'000));
  ground.second = store.sessions.at(store.CreateSession("two", 1'900'000'000));
  ground.migration = store.migrations.at(store.Migrate(ground.first.id, "m1"));
  ground.later = store.migrations.at(store.Migrate(ground.first.id, "m2"));
  ExpectAllCases(store, ground);
}

}  // namespace
}  // namespace agent_branch
