#include "extension/wake.hpp"

#include "postgres/shared_state.hpp"

namespace agent_branch {
namespace {

struct Pending {
  bool wake_worker;
  bool extension_changed;
  bool probe;
  Oid probed;  // InvalidOid: all databases
  bool unpause;
  SubTransactionId paused_in;
};
Pending pending;

void ExtensionChanged() {
  WakeWorker(MyDatabaseId, WakeReason::kExtension);
  RequestProbe(MyDatabaseId);
  // Whoever waits for a session is to see that the tables are gone.
  BroadcastAllSessions();
}

// Nothing here may raise: an error at this point is a PANIC.
void Committed() {
  const Pending done = pending;
  pending = Pending{};
  if (done.wake_worker) WakeWorker(MyDatabaseId, WakeReason::kRequest);
  if (done.extension_changed) ExtensionChanged();
  if (done.probe) RequestProbe(done.probed);
  if (done.unpause) UnpauseDatabases();
}

void Ended() {
  if (pending.unpause) UnpauseDatabases();
  // It may have held the worker up with its locks.
  if (pending.extension_changed) WakeWorker(MyDatabaseId, WakeReason::kExtension);
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

// What is rolled back keeps no database paused. Subtransactions that began after the one that ends
// are parts of it.
void OnSubtransactionEvent(SubXactEvent event, SubTransactionId ended, SubTransactionId, void *) {
  if (event != SUBXACT_EVENT_ABORT_SUB || !pending.unpause || pending.paused_in < ended) return;
  UnpauseDatabases();
  pending.unpause = false;
}

}  // namespace

void RegisterTransactionCallback() {
  RegisterXactCallback(OnTransactionEvent, nullptr);
  RegisterSubXactCallback(OnSubtransactionEvent, nullptr);
}

void WakeWorkerAtCommit() {
  pending.wake_worker = true;
}

void ExtensionChangedInThisTransaction() {
  pending.extension_changed = true;
}

void ProbeDatabaseAtCommit(Oid database) {
  pending.probe = true;
  pending.probed = database;
}

void UnpauseAtTransactionEnd() {
  if (!pending.unpause) pending.paused_in = GetCurrentSubTransactionId();
  pending.unpause = true;
}

void PreparedTransactionCommitted() {
  InvalidateCatalogSnapshot();
  // Nobody else need know: what it did is not to be had here.
  if (FindWorkerSlot(MyDatabaseId) || OidIsValid(get_extension_oid("agent_branch", true)))
    ExtensionChanged();
}

}  // namespace agent_branch
