// What backends, the launcher and the workers share: one struct of plain data in shared memory.
//
// Everything in it is guarded by one LWLock, apart from the condition variables and their
// generations, which guard themselves. It holds no pointer, descriptor or latch: another process is
// woken by its index in ProcGlobal->allProcs, read under the lock, where one that has gone stale
// wakes a stranger and does no harm. Both libraries have this file; agent_branch.so (preloaded)
// makes the memory, agent_branch_worker.so attaches to it.
//
// A database's slot: the launcher claims it (kStarting), the worker marks it kRunning with its pid,
// and gives it back as kAbsent when it exits; the numbers stay to be read until it is claimed again
// for another database.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "postgres/guard.hpp"
#include "postgres/server.hpp"

namespace agent_branch {

constexpr int kMaxDatabases = 64;
constexpr int kMaxProbes = 64;
constexpr int kMaxPauses = 64;
constexpr int kWaitChannels = 64;

enum class WorkerState { kAbsent, kStarting, kRunning, kStopping };

// What agent_branch.worker_status() shows; the worker publishes it.
struct WorkerNumbers {
  int32_t sessions;
  int32_t waiting;  // sessions
  int32_t calls_waiting;
  int32_t calls_under_way;
  int64_t calls_total;
  int32_t call_budget;
  char last_error[256];
  TimestampTz last_error_at;  // 0: none yet
};

// Counted by WakeWorker(); they only grow.
struct Wakes {
  uint64_t all;
  uint64_t of_extensions;
};

struct WorkerSlot {
  Oid database;  // InvalidOid: the slot is free
  int32_t pid;   // 0: no process
  int32_t procno;
  uint64_t generation;  // counts the claims: which start of a worker this is
  WorkerState state;
  bool ends_as_meant;  // by itself, or asked to: the next start is no restart after a failure
  TimestampTz started_at;
  Wakes wakes;
  WorkerNumbers numbers;
};

// Databases to look at for the extension.
struct Probes {
  bool all;
  int32_t count;
  Oid databases[kMaxProbes];
};

// Called in _PG_init() of the preloaded library; chains the hooks.
void InstallSharedMemoryHooks();
// Called in a background worker's main function (agent_branch_worker.so): raises 55000 when the
// memory is not there, or is that of another version's library.
void AttachSharedMemory();
// Whether there is shared memory: false when the library was not preloaded.
bool HasSharedMemory();

// --- Waking. None of these raises: they are called in commit callbacks. ---

enum class WakeReason {
  kRequest,
  kExtension,  // a transaction that created, dropped or altered an extension has ended
};

// Wakes the database's worker; when none runs, the launcher, to look at that database.
void WakeWorker(Oid database, WakeReason reason);
void WakeLauncher();
// Asks the launcher to look whether the database has the extension; InvalidOid: all databases.
void RequestProbe(Oid database);

// --- The launcher ---

void AttachLauncher();  // detached by itself when the process exits
bool HasProbes();
Probes TakeProbes();
// Claims a slot for a worker that is about to be started. Null: no slot is free, one is taken
// already (starting or running), or the database is paused.
std::optional<uint64_t> ClaimWorkerSlot(Oid database);
// For a start that failed.
void ReleaseWorkerSlot(Oid database, uint64_t generation);
// Frees the slot of a database that has no extension any more, or is gone.
void ForgetDatabase(Oid database);
bool IsPaused(Oid database);
std::vector<WorkerSlot> WorkerSlots();
// How the database's last worker ended, if it has.
enum class WorkerEnd { kNone, kAsMeant, kFailed };
WorkerEnd LastEndOf(Oid database);

// --- The worker ---

// Marks the slot of `database` as running in this process; detached by itself when the process
// exits. False: the database was paused, or the slot is another's; the process is to exit.
bool AttachWorker(Oid database);
// Gives the slot up for good: this database has no extension. The launcher does not start a worker
// there again before it is asked to.
void LeaveDatabase();
// The worker is about to end with nothing wrong: it is to be started again at once.
void EndsAsMeant();
void PublishNumbers(const WorkerNumbers &numbers);
void PublishError(std::string_view message);
Wakes WakesOfThisWorker();

// --- Backends ---

std::optional<WorkerSlot> FindWorkerSlot(Oid database);

// Keeps workers off a database: asks a running one to exit and lets none start. Once more for the
// same database is nothing new. Raises when too many databases are paused. Ends with
// UnpauseDatabase() or with this process.
void PauseDatabase(Oid database);
// Waits until no worker is connected to it, at most that long; interruptible. Plain PostgreSQL
// code: an ERROR passes through.
bool WaitForWorkerExit(Oid database, long timeout_ms);
// All that this process paused. Does not raise; wakes the launcher to look at them again.
void UnpauseDatabases() noexcept;

// --- Waiting for a session (agent_wait, agent_connection_uri) ---

// Read it, look at the session, and then wait for it to change: nothing is missed.
uint64_t SessionGeneration(int64_t session_id);
// True: something changed since `generation` was read. False: the time is over. Interruptible.
bool WaitForSession(int64_t session_id, uint64_t generation, long timeout_ms);
// Wakes those who wait for this session of MyDatabaseId; called after the commit that changed it.
void BroadcastSession(int64_t session_id);
void BroadcastAllSessions();

}  // namespace agent_branch
