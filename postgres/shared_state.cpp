#include "postgres/shared_state.hpp"

#include <csignal>

#include "postgres/shared_budgets.hpp"
#include "postgres/shared_calls.hpp"
#include "postgres/shared_previews.hpp"
#include "postgres/wait_events.hpp"

namespace agent_branch {
namespace {

constexpr const char *kName = "agent_branch";
constexpr const char *kBudgetsName = "agent_branch budgets";
constexpr const char *kCallsName = "agent_branch calls";
constexpr const char *kPreviewsName = "agent_branch previews";
constexpr const char *kVersionName = "agent_branch version";

// Of the library that made the memory. Its size and place stay as they are in all versions, so that
// any two can tell each other apart.
struct LibraryVersion {
  char text[64];
};

struct Launcher {
  int32_t pid;
  int32_t procno;
  Probes probes;
};

struct Pause {
  Oid database;  // InvalidOid: free
  int32_t pid;   // the backend that asked for it
};

struct WaitChannel {
  ConditionVariable changed;
  pg_atomic_uint64 generation;
};

struct SharedState {
  WorkerSlot slots[kMaxDatabases];
  Launcher launcher;
  Pause pauses[kMaxPauses];
  WaitChannel channels[kWaitChannels];
};

SharedState *state = nullptr;
LWLock *lock = nullptr;
Oid worker_database = InvalidOid;  // set in a worker
bool pauses_cleared_at_exit = false;

shmem_request_hook_type previous_request_hook = nullptr;
shmem_startup_hook_type previous_startup_hook = nullptr;

// For sections that contain nothing that raises.
class Locked {
 public:
  explicit Locked(LWLockMode mode = LW_EXCLUSIVE) { LWLockAcquire(lock, mode); }
  ~Locked() { LWLockRelease(lock); }
  Locked(const Locked &) = delete;
  Locked &operator=(const Locked &) = delete;
};

void Initialize() {
  memset(state, 0, sizeof(*state));
  state->launcher.probes.all = true;
  for (WaitChannel &channel : state->channels) {
    ConditionVariableInit(&channel.changed);
    pg_atomic_init_u64(&channel.generation, 0);
  }
}

void RequestSharedMemory() {
  if (previous_request_hook != nullptr) previous_request_hook();
  RequestAddinShmemSpace(MAXALIGN(sizeof(LibraryVersion)));
  RequestAddinShmemSpace(add_size(MAXALIGN(sizeof(SharedState)), SharedBudgetsSize()));
  RequestAddinShmemSpace(SharedCallsSize());
  RequestAddinShmemSpace(SharedPreviewsSize());
  RequestNamedLWLockTranche(kName, 4);
}

// With AddinShmemInitLock held. Returns whether the memory was there before.
bool Attach() {
  bool found = false;
  bool budgets_found = false;
  bool calls_found = false;
  bool previews_found = false;
  state = static_cast<SharedState *>(ShmemInitStruct(kName, sizeof(SharedState), &found));
  void *budgets = ShmemInitStruct(kBudgetsName, SharedBudgetsSize(), &budgets_found);
  void *calls = ShmemInitStruct(kCallsName, SharedCallsSize(), &calls_found);
  LWLockPadded *locks = GetNamedLWLockTranche(kName);
  lock = &locks[0].lock;
  AttachSharedBudgets(budgets, &locks[1].lock, !budgets_found);
  AttachSharedCalls(calls, &locks[2].lock, !calls_found);
  void *previews = ShmemInitStruct(kPreviewsName, SharedPreviewsSize(), &previews_found);
  AttachSharedPreviews(previews, &locks[3].lock, !previews_found);
  return found;
}

LibraryVersion *AttachVersion(bool *found) {
  return static_cast<LibraryVersion *>(
      ShmemInitStruct(kVersionName, sizeof(LibraryVersion), found));
}

void StartUp() {
  if (previous_startup_hook != nullptr) previous_startup_hook();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found = false;
  LibraryVersion *version = AttachVersion(&found);
  if (!found) strlcpy(version->text, AGENT_BRANCH_VERSION, sizeof(version->text));
  if (!Attach()) Initialize();
  LWLockRelease(AddinShmemInitLock);
}

// The functions below are called with the lock held.

WorkerSlot *SlotOf(Oid database) {
  for (WorkerSlot &slot : state->slots)
    if (slot.database == database) return &slot;
  return nullptr;
}

bool PausedUnderLock(Oid database) {
  for (const Pause &pause : state->pauses)
    if (pause.database == database) return true;
  return false;
}

void WakeLauncherUnderLock() {
  if (state->launcher.pid != 0) SetLatchOf(state->launcher.procno);
}

void AddProbeUnderLock(Oid database) {
  Probes &probes = state->launcher.probes;
  for (int n = 0; n < probes.count; ++n)
    if (probes.databases[n] == database) return;
  if (!OidIsValid(database) || probes.count == kMaxProbes)
    probes.all = true;
  else
    probes.databases[probes.count++] = database;
}

void DetachLauncher(int, Datum) {
  Locked locked;
  if (state->launcher.pid == MyProcPid) state->launcher.pid = 0;
}

void DetachWorker(int, Datum) {
  Locked locked;
  WorkerSlot *slot = SlotOf(worker_database);
  if (slot == nullptr || slot->pid != MyProcPid) return;
  slot->pid = 0;
  slot->state = WorkerState::kAbsent;
  // Whether it is started again, and when, is the launcher's to decide.
  AddProbeUnderLock(worker_database);
  WakeLauncherUnderLock();
}

void UnpauseAtExit(int, Datum) {
  UnpauseDatabases();
}

WaitChannel &ChannelOf(int64_t session_id) {
  const uint64_t key = static_cast<uint64_t>(session_id) + MyDatabaseId * UINT64_C(31);
  return state->channels[key % kWaitChannels];
}

void PauseUnderLock(Oid database) {
  for (const Pause &pause : state->pauses)
    if (pause.database == database && pause.pid == MyProcPid) return;
  for (Pause &pause : state->pauses) {
    if (pause.database != InvalidOid) continue;
    pause = {database, MyProcPid};
    return;
  }
  ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                  errmsg("too many databases are being dropped or copied at once")));
}

}  // namespace

void InstallSharedMemoryHooks() {
  previous_request_hook = shmem_request_hook;
  shmem_request_hook = RequestSharedMemory;
  previous_startup_hook = shmem_startup_hook;
  shmem_startup_hook = StartUp;
}

void AttachSharedMemory() {
  CallPg([] {
    bool found = false;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    LibraryVersion *version = AttachVersion(&found);
    const bool ours = found && strcmp(version->text, AGENT_BRANCH_VERSION) == 0;
    if (ours) Attach();
    LWLockRelease(AddinShmemInitLock);
    if (ours) return;
    // A package was installed meanwhile: the server keeps the library that it has, and starts this
    // one for each new worker.
    ereport(
        ERROR,
        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
         errmsg("agent_branch_worker of version %s was started by a server that has preloaded %s",
                AGENT_BRANCH_VERSION, found ? version->text : "an older agent_branch, or none"),
         errhint("Restart the server.")));
  });
}

bool HasSharedMemory() {
  return state != nullptr;
}

void WakeWorker(Oid database, WakeReason reason) {
  if (state == nullptr) return;
  Locked locked;
  WorkerSlot *slot = SlotOf(database);
  if (slot != nullptr) ++slot->wakes.all;
  if (slot != nullptr && reason == WakeReason::kExtension) ++slot->wakes.of_extensions;
  if (slot != nullptr && slot->pid != 0) {
    SetLatchOf(slot->procno);
    return;
  }
  AddProbeUnderLock(database);
  WakeLauncherUnderLock();
}

void WakeLauncher() {
  if (state == nullptr) return;
  Locked locked(LW_SHARED);
  WakeLauncherUnderLock();
}

void RequestProbe(Oid database) {
  if (state == nullptr) return;
  Locked locked;
  AddProbeUnderLock(database);
  WakeLauncherUnderLock();
}

void AttachLauncher() {
  CallPg([] { before_shmem_exit(DetachLauncher, Datum{0}); });
  Locked locked;
  state->launcher.pid = MyProcPid;
  state->launcher.procno = MyProcNo();
  state->launcher.probes.all = true;
}

bool HasProbes() {
  Locked locked(LW_SHARED);
  return state->launcher.probes.all || state->launcher.probes.count > 0;
}

Probes TakeProbes() {
  Locked locked;
  Probes taken = state->launcher.probes;
  state->launcher.probes.all = false;
  state->launcher.probes.count = 0;
  return taken;
}

std::optional<uint64_t> ClaimWorkerSlot(Oid database) {
  Locked locked;
  if (PausedUnderLock(database)) return std::nullopt;
  WorkerSlot *slot = SlotOf(database);
  if (slot == nullptr) {
    slot = SlotOf(InvalidOid);
    if (slot == nullptr) return std::nullopt;
    slot->numbers = WorkerNumbers{};
  }
  if (slot->state != WorkerState::kAbsent) return std::nullopt;
  slot->database = database;
  slot->pid = 0;
  slot->state = WorkerState::kStarting;
  slot->ends_as_meant = false;
  return ++slot->generation;
}

void ReleaseWorkerSlot(Oid database, uint64_t generation) {
  Locked locked;
  WorkerSlot *slot = SlotOf(database);
  if (slot != nullptr && slot->pid == 0 && slot->generation == generation)
    slot->state = WorkerState::kAbsent;
}

void ForgetDatabase(Oid database) {
  {
    Locked locked;
    WorkerSlot *slot = SlotOf(database);
    if (slot == nullptr || slot->pid != 0) return;
    slot->database = InvalidOid;
    slot->state = WorkerState::kAbsent;
  }
  ForgetCalls(database);
}

bool IsPaused(Oid database) {
  Locked locked(LW_SHARED);
  return PausedUnderLock(database);
}

std::vector<WorkerSlot> WorkerSlots() {
  std::vector<WorkerSlot> slots(kMaxDatabases);
  size_t used = 0;
  {
    Locked locked(LW_SHARED);
    for (const WorkerSlot &slot : state->slots)
      if (slot.database != InvalidOid) slots[used++] = slot;
  }
  slots.resize(used);
  return slots;
}

WorkerEnd LastEndOf(Oid database) {
  Locked locked(LW_SHARED);
  const WorkerSlot *slot = SlotOf(database);
  if (slot == nullptr) return WorkerEnd::kAsMeant;  // it found no extension, and gave the slot up
  if (slot->state != WorkerState::kAbsent) return WorkerEnd::kNone;
  return slot->ends_as_meant ? WorkerEnd::kAsMeant : WorkerEnd::kFailed;
}

bool AttachWorker(Oid database) {
  worker_database = database;
  CallPg([] { before_shmem_exit(DetachWorker, Datum{0}); });
  Locked locked;
  WorkerSlot *slot = SlotOf(database);
  if (slot == nullptr || slot->pid != 0) return false;
  if (PausedUnderLock(database)) {
    slot->state = WorkerState::kAbsent;
    slot->ends_as_meant = true;
    return false;
  }
  slot->pid = MyProcPid;
  slot->procno = MyProcNo();
  slot->state = WorkerState::kRunning;
  slot->started_at = GetCurrentTimestamp();
  return true;
}

void LeaveDatabase() {
  ForgetCalls(worker_database);
  Locked locked;
  WorkerSlot *slot = SlotOf(worker_database);
  if (slot == nullptr || slot->pid != MyProcPid) return;
  slot->pid = 0;
  slot->database = InvalidOid;
  slot->state = WorkerState::kAbsent;
  WakeLauncherUnderLock();
}

void EndsAsMeant() {
  Locked locked;
  WorkerSlot *slot = SlotOf(worker_database);
  if (slot != nullptr && slot->pid == MyProcPid) slot->ends_as_meant = true;
}

void PublishNumbers(const WorkerNumbers &numbers) {
  Locked locked;
  if (WorkerSlot *slot = SlotOf(worker_database)) slot->numbers = numbers;
}

void PublishError(std::string_view message) {
  const int kept = pg_mbcliplen(message.data(), static_cast<int>(message.size()),
                                sizeof(WorkerNumbers::last_error) - 1);
  Locked locked;
  WorkerSlot *slot = SlotOf(worker_database);
  if (slot == nullptr) return;
  memcpy(slot->numbers.last_error, message.data(), kept);
  slot->numbers.last_error[kept] = '\0';
  slot->numbers.last_error_at = GetCurrentTimestamp();
}

Wakes WakesOfThisWorker() {
  Locked locked(LW_SHARED);
  const WorkerSlot *slot = SlotOf(worker_database);
  return slot == nullptr ? Wakes{} : slot->wakes;
}

std::optional<WorkerSlot> FindWorkerSlot(Oid database) {
  if (state == nullptr) return std::nullopt;
  Locked locked(LW_SHARED);
  const WorkerSlot *slot = SlotOf(database);
  return slot == nullptr ? std::nullopt : std::optional<WorkerSlot>(*slot);
}

void PauseDatabase(Oid database) {
  if (!pauses_cleared_at_exit) {
    before_shmem_exit(UnpauseAtExit, Datum{0});
    pauses_cleared_at_exit = true;
  }
  // No guard object here: PauseUnderLock() raises, and abort releases the lock then.
  LWLockAcquire(lock, LW_EXCLUSIVE);
  PauseUnderLock(database);
  WorkerSlot *slot = SlotOf(database);
  if (slot != nullptr && slot->pid != 0) {
    slot->state = WorkerState::kStopping;
    slot->ends_as_meant = true;
    kill(slot->pid, SIGTERM);
  }
  LWLockRelease(lock);
}

bool WaitForWorkerExit(Oid database, long timeout_ms) {
  constexpr long kStepMs = 10;
  for (long waited = 0;; waited += kStepMs) {
    LWLockAcquire(lock, LW_SHARED);
    const WorkerSlot *slot = SlotOf(database);
    const bool gone = slot == nullptr || slot->state == WorkerState::kAbsent;
    LWLockRelease(lock);
    if (gone) return true;
    if (waited >= timeout_ms) return false;
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kStepMs, WaitEventOfExit());
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
}

void UnpauseDatabases() noexcept {
  Locked locked;
  for (Pause &pause : state->pauses) {
    if (pause.database == InvalidOid || pause.pid != MyProcPid) continue;
    AddProbeUnderLock(pause.database);
    pause.database = InvalidOid;
  }
  WakeLauncherUnderLock();
}

uint64_t SessionGeneration(int64_t session_id) {
  const uint64_t generation = pg_atomic_read_u64(&ChannelOf(session_id).generation);
  pg_memory_barrier();  // the session is looked at after this
  return generation;
}

bool WaitForSession(int64_t session_id, uint64_t generation, long timeout_ms) {
  WaitChannel &channel = ChannelOf(session_id);
  return CallPg([&] {
    InvalidateCatalogSnapshotConditionally();  // it would hold back vacuum for as long as we sleep
    // Prepared first and compared after: a broadcast in between is seen by the one or the other.
    ConditionVariablePrepareToSleep(&channel.changed);
    bool changed = pg_atomic_read_u64(&channel.generation) != generation;
    if (!changed) ConditionVariableTimedSleep(&channel.changed, timeout_ms, WaitEventOfSession());
    changed = changed || pg_atomic_read_u64(&channel.generation) != generation;
    ConditionVariableCancelSleep();
    return changed;
  });
}

void BroadcastSession(int64_t session_id) {
  WaitChannel &channel = ChannelOf(session_id);
  pg_atomic_fetch_add_u64(&channel.generation, 1);
  ConditionVariableBroadcast(&channel.changed);
}

void BroadcastAllSessions() {
  if (state == nullptr) return;
  for (WaitChannel &channel : state->channels) {
    pg_atomic_fetch_add_u64(&channel.generation, 1);
    ConditionVariableBroadcast(&channel.changed);
  }
}

}  // namespace agent_branch
