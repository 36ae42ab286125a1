// PostgreSQL's headers, and what differs between its major versions.
//
// Nothing else includes a server header. C++ headers come first: postgres.h replaces printf and its
// kin by macros, so that <cstdio> after it would undo %m, and std::snprintf after it would not
// compile. A file that includes this one never names std::printf or std::snprintf, and includes it
// last.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

extern "C" {
// clang-format off: postgres.h has to be the first
#include "postgres.h"
// clang-format on

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "common/keywords.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_func.h"
#include "parser/parser.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shm_mq.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
}

#if PG_VERSION_NUM < 150000
#error "agent_branch needs PostgreSQL 15 or later"
#endif

// Empty before 16, where modules were not built with hidden symbols. Ours are.
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

namespace agent_branch {

// This process's index in ProcGlobal->allProcs; what SetLatchOf() takes.
inline int MyProcNo() {
#if PG_VERSION_NUM >= 170000
  return static_cast<int>(MyProcNumber);
#else
  return MyProc->pgprocno;
#endif
}

// A number that has gone stale wakes a stranger once, which is harmless.
inline void SetLatchOf(int procno) {
  SetLatch(&ProcGlobal->allProcs[procno].procLatch);
}

inline bool OwnsDatabase(Oid database, Oid role) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(DatabaseRelationId, database, role);
#else
  return pg_database_ownercheck(database, role);
#endif
}

inline bool MayExecute(Oid function, Oid role) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
  return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

constexpr bool kHasTransactionTimeout = PG_VERSION_NUM >= 170000;

// pg_database.datconnlimit of a database whose DROP was cut off; it has a name only in newer minor
// versions.
constexpr int32 kInvalidDatabase = -2;

// Of a background worker that acts for a role: before 17, only for one that may log in.
#if PG_VERSION_NUM >= 170000
constexpr uint32 kHelperConnectionFlags = BGWORKER_BYPASS_ROLELOGINCHECK;
constexpr bool kHelperNeedsLogin = false;
#else
constexpr uint32 kHelperConnectionFlags = 0;
constexpr bool kHelperNeedsLogin = true;
#endif

// Waits until the receiver has all of it, or is gone.
inline void SendToWorker(shm_mq_handle *queue, Size size, const void *data) {
  shm_mq_send(queue, size, data, false, true);
}

// Calls `walker` for the parts of an untransformed query; raises what it does not know, statements
// that are no queries among it.
inline bool WalkRawTree(Node *node, bool (*walker)(Node *, void *), void *context) {
#if PG_VERSION_NUM >= 160000
  return raw_expression_tree_walker(node, walker, context);
#else
  // Declared without its arguments, which C++ takes for none.
  auto untyped = reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker));
  return raw_expression_tree_walker(node, untyped, context);
#endif
}

// Whether a GENERATED column's values are stored.
inline bool IsStored(const Constraint *constraint) {
#if PG_VERSION_NUM >= 180000
  return constraint->generated_kind != ATTRIBUTE_GENERATED_VIRTUAL;
#else
  return constraint->contype == CONSTR_GENERATED;
#endif
}

// CreateWaitEventSet() for the life of the process.
inline WaitEventSet *CreateProcessWaitEventSet(int events) {
#if PG_VERSION_NUM >= 170000
  return CreateWaitEventSet(nullptr, events);
#else
  return CreateWaitEventSet(TopMemoryContext, events);
#endif
}

}  // namespace agent_branch
