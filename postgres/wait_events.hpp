// What pg_stat_activity.wait_event says of our sleeps: names of our own from PostgreSQL 17 on, and
// "Extension" before. Each registers its name on first use, and may raise then.
#pragma once

#include "postgres/server.hpp"

namespace agent_branch {

uint32 WaitEventOfWorker();    // AgentBranchWorker: nothing to do until something happens
uint32 WaitEventOfLauncher();  // AgentBranchLauncher
uint32 WaitEventOfSession();   // AgentBranchSession: a backend waits for a session to change
uint32 WaitEventOfExit();      // AgentBranchWorkerExit: a backend waits for a worker to leave

}  // namespace agent_branch
