// Wakes the worker when the transaction that asked for something commits, and not before.
//
// One transaction callback, registered once: one that is registered anew by each transaction slows
// down every later one of the session.
#pragma once

#include "postgres/server.hpp"

namespace agent_branch {

void RegisterTransactionCallback();  // in _PG_init()

void WakeWorkerAtCommit();
// An extension was created, changed or dropped in this database.
void ExtensionChangedInThisTransaction();
// COMMIT PREPARED was run here: whatever the transaction did, no callback of its own was called.
void PreparedTransactionCommitted();
// The database was created, perhaps from a template that has the extension. InvalidOid: any was.
void ProbeDatabaseAtCommit(Oid database);
// However the (sub)transaction ends: workers may connect again to databases that were paused in it.
void UnpauseAtTransactionEnd();

}  // namespace agent_branch
