#include "extension/wake.hpp"

#include "postgres/shared_state.hpp"

namespace agent_branch {
namespace {

struct Pending {
  bool wake_worker;
  bool extension_changed;
  bool probe_databases;
  bool unpause;
};
Pending pending;

// Nothing here may raise: an error at this point is a PANIC.
void Committed() {
  const Pending done = pending;
  pending = Pending{};
  if (done.wake_worker || done.extension_changed) WakeWorker(MyDatabaseId);
  if (done.extension_changed) RequestProbe(MyDatabaseId);
  // Whoever waits for a session is to see that the tables are gone.
  if (done.extension_changed) BroadcastAllSessions();
  if (done.probe_databases) RequestProbe(InvalidOid);
  if (done.unpause) UnpauseDatabases();
}

void Ended() {
  if (pending.unpause) UnpauseDatabases();
  pending = Pending{};
}

// Written for PostgreSQL to call: plain code, an ERROR passes through.
void OnTransactionEvent(XactEvent event, void *) {
  switch (event) {
    case XACT_EVENT_COMMIT:
      Committed();
      break;
    case XACT_EVENT_PRE_PREPARE:
      // COMMIT PREPARED comes from another session, which would not wake the worker.
      if (pending.wake_worker)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("cannot PREPARE a transaction that has called agent_ functions"),
                        errhint("Commit it with COMMIT.")));
      break;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      Ended();
      break;
    default:
      break;
  }
}

}  // namespace

void RegisterTransactionCallback() {
  RegisterXactCallback(OnTransactionEvent, nullptr);
}

void WakeWorkerAtCommit() {
  pending.wake_worker = true;
}

void ExtensionChangedInThisTransaction() {
  pending.extension_changed = true;
}

void ProbeDatabasesAtCommit() {
  pending.probe_databases = true;
}

void UnpauseAtTransactionEnd() {
  pending.unpause = true;
}

}  // namespace agent_branch
