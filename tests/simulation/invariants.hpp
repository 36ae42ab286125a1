// What must hold once everything has come to rest (architecture.md, "The core is a pure state
// machine"). What must hold at every moment the models judge as it happens.
#pragma once

#include "tests/simulation/model_branch.hpp"
#include "tests/simulation/model_neon.hpp"
#include "tests/simulation/model_store.hpp"

namespace agent_branch::simulation {

struct Evidence {
  const ModelNeon *neon;
  const ModelStore *store;
  const ModelBranches *branches;
  const Settings *settings;
  int64_t now = 0;  // of the calendar
};

// Faults are off, users have stopped, nothing is under way: whoever asked for something was served.
void JudgeRest(const Evidence &evidence, Witness &witness);
// Every session has expired, and two sweeps have run.
void JudgeEnd(const Evidence &evidence, Witness &witness);
// A number for this state of the world: the same for states that differ by ids and times only.
uint64_t HashState(const Evidence &evidence);

}  // namespace agent_branch::simulation
