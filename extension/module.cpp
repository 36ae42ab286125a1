// agent_branch.so: loaded once by shared_preload_libraries, before the server starts.
#include "extension/hooks.hpp"
#include "extension/settings.hpp"
#include "extension/wake.hpp"
#include "postgres/shared_state.hpp"

namespace agent_branch {
namespace {

void RegisterLauncher() {
  BackgroundWorker worker;
  memset(&worker, 0, sizeof(worker));
  // It reads pg_database, which is why it wants a connection; there is none of a standby's.
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = 1;
  strlcpy(worker.bgw_library_name, "agent_branch_worker", sizeof(worker.bgw_library_name));
  strlcpy(worker.bgw_function_name, "AgentBranchLauncherMain", sizeof(worker.bgw_function_name));
  strlcpy(worker.bgw_name, "agent_branch launcher", sizeof(worker.bgw_name));
  strlcpy(worker.bgw_type, "agent_branch launcher", sizeof(worker.bgw_type));
  RegisterBackgroundWorker(&worker);
}

}  // namespace
}  // namespace agent_branch

extern "C" {
PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init();

// CREATE EXTENSION loads the library as it creates the first function: that it fails here leaves
// nothing behind that half works.
void _PG_init() {
  if (IsBinaryUpgrade) return;
  if (!process_shared_preload_libraries_in_progress)
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("agent_branch must be loaded via shared_preload_libraries"),
             errhint("Add agent_branch to shared_preload_libraries and restart the server.")));
  agent_branch::DefineSettings();
  agent_branch::InstallSharedMemoryHooks();
  agent_branch::InstallHooks();
  agent_branch::RegisterTransactionCallback();
  agent_branch::RegisterLauncher();
}
}
