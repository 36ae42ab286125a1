#include <gtest/gtest.h>

#include "tests/simulation/model_store.hpp"
#include "tests/unit/core/store_conformance.hpp"

namespace agent_branch::simulation {
namespace {

TEST(ModelStore, PassesTheCasesThatTheTablesPass) {
  VirtualClock clock;
  Chance chance(1);
  Witness witness(&clock, false);
  Faults faults;
  ModelStore store(&clock, &chance, &witness, &faults);
  store.max_age = 86'400;
  ProjectRow project;
  project.neon_id = "p1";
  SessionRow session;
  session.project_id = store.AddProject(project);
  session.created_at = session.expires_at = clock.UnixTime();
  const int64_t first = store.AddSession(session);
  store.AddSession(session);
  store.AddMigration(first, "RUN #");
  store.AddMigration(first, "RUN #");
  StoreConformance conformance(&store);
  EXPECT_EQ(conformance.Failures(), std::vector<std::string>());
}

}  // namespace
}  // namespace agent_branch::simulation
