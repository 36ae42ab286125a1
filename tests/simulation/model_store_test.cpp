#include <gtest/gtest.h>

#include "tests/simulation/model_store.hpp"
#include "tests/unit/core/store_cases.hpp"

namespace agent_branch::simulation {
namespace {

TEST(ModelStore, LoadsWhatTheTablesWould) {
  VirtualClock clock;
  Chance chance(1);
  Witness witness(&clock, false);
  Faults faults;
  ModelStore store(&clock, &chance, &witness, &faults);
  store.max_age = 86'400;
  StoreGround ground;
  ProjectRow project;
  project.neon_id = "p1";
  ground.project_id = store.AddProject(project);
  SessionRow session;
  session.project_id = ground.project_id;
  session.created_at = session.expires_at = clock.UnixTime();
  ground.first = store.sessions().at(store.AddSession(session));
  ground.second = store.sessions().at(store.AddSession(session));
  store.AddMigration(ground.first.id, "RUN #");
  store.AddMigration(ground.first.id, "RUN #");
  ground.migration = store.migrations().begin()->second;
  ground.later = store.migrations().rbegin()->second;
  ExpectAllCases(store, ground);
}

}  // namespace
}  // namespace agent_branch::simulation
