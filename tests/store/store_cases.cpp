// A library for tests alone: holds the store of the tables to the cases of the other stores.
//
// store_cases() starts a worker in the database, since the store begins transactions of its own,
// and waits for its end; the worker writes what it found into the table public.store_failure, and
// how much it tried into public.store_tried. The extension is there, and nobody works for it.
#include "postgres/guard.hpp"
#include "postgres/shared_state.hpp"
#include "postgres/spi.hpp"
#include "tests/unit/core/store_conformance.hpp"
#include "worker/postgres_store.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

void StoreCasesMain(Datum database) {
  CallPg([] { BackgroundWorkerUnblockSignals(); });
  AttachSharedMemory();
  CallPg([database] {
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
    SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
  });
  PostgresStore store(FindExtension());
  StoreConformance conformance(&store);
  const std::vector<std::string> failures = conformance.Failures();
  Transaction transaction;
  for (const std::string &failure : failures)
    transaction.Execute("INSERT INTO public.store_failure VALUES ($1)", {failure});
  transaction.Execute("INSERT INTO public.store_tried VALUES ($1)",
                      {static_cast<int64_t>(conformance.tried())});
  transaction.Commit();
}

bool RunWorker(const char *library) {
  BackgroundWorker worker = {};
  strlcpy(worker.bgw_name, "agent_branch store cases", BGW_MAXLEN);
  strlcpy(worker.bgw_type, "agent_branch store cases", BGW_MAXLEN);
  strlcpy(worker.bgw_library_name, library, sizeof(worker.bgw_library_name));
  strlcpy(worker.bgw_function_name, "AgentBranchStoreCasesMain", BGW_MAXLEN);
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
  worker.bgw_notify_pid = MyProcPid;
  BackgroundWorkerHandle *handle = nullptr;
  return RegisterDynamicBackgroundWorker(&worker, &handle) &&
         WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED;
}

}  // namespace
}  // namespace agent_branch

extern "C" {
PG_MODULE_MAGIC;

PGDLLEXPORT void AgentBranchStoreCasesMain(Datum argument);
void AgentBranchStoreCasesMain(Datum argument) {
  agent_branch::EnterMain<agent_branch::StoreCasesMain>(argument);
}

PG_FUNCTION_INFO_V1(store_cases);
PGDLLEXPORT Datum store_cases(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(agent_branch::RunWorker(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
}
