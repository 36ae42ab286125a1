#include "postgres/wait_events.hpp"

namespace agent_branch {
namespace {

uint32 Named([[maybe_unused]] const char *name) {
#if PG_VERSION_NUM >= 170000
  return WaitEventExtensionNew(name);
#else
  return PG_WAIT_EXTENSION;
#endif
}

}  // namespace

uint32 WaitEventOfWorker() {
  static uint32 event = 0;
  if (event == 0) event = Named("AgentBranchWorker");
  return event;
}

uint32 WaitEventOfLauncher() {
  static uint32 event = 0;
  if (event == 0) event = Named("AgentBranchLauncher");
  return event;
}

uint32 WaitEventOfSession() {
  static uint32 event = 0;
  if (event == 0) event = Named("AgentBranchSession");
  return event;
}

uint32 WaitEventOfExit() {
  static uint32 event = 0;
  if (event == 0) event = Named("AgentBranchWorkerExit");
  return event;
}

}  // namespace agent_branch
