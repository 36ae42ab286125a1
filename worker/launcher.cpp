// The launcher: one process a server, which sees to it that each database with the extension has a
// worker, and no other database has one.
//
// The happy path: the server starts, the launcher is asked (by itself) to probe all databases, and
// starts a worker in each, a few at a time. A worker that finds no extension gives its slot up and
// exits; the others stay.
//
// What else can happen, and what is done:
//   CREATE EXTENSION commits       its backend asks for a probe of the database
//   DROP EXTENSION commits         the worker notices, gives its slot up and exits
//   a worker ends as it is meant to its exit asks for a probe; it is started again at once
//   a worker fails                 the same, after a pause that doubles while workers of that
//                                  database fail young
//   as many workers as may run do  told in the log, once a database; it waits for one to leave
//   no free background worker slot tried again after some seconds
//   DROP DATABASE and the like     the backend pauses the database first: no worker starts there;
//   the
//                                  end of the pause asks for a probe
//   the database is gone           found out by reading pg_database before a start
//   the launcher itself ends       the postmaster starts it again; workers stay; it probes all
// A standby has no launcher before it is promoted (BgWorkerStart_RecoveryFinished).
#include <algorithm>
#include <map>
#include <set>

#include "postgres/guard.hpp"
#include "postgres/shared_state.hpp"
#include "postgres/spi.hpp"
#include "postgres/wait_events.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

constexpr int64_t kYoung = 60'000;  // ms; a worker that lived longer was healthy
constexpr int64_t kFirstPause = 100;
constexpr int64_t kLongestPause = 60'000;
constexpr int64_t kNoWorkerFree = 5'000;
constexpr int64_t kStartTimeout = 15'000;

int64_t NowMs() {
  return GetCurrentTimestamp() / 1000;
}

struct Start {
  BackgroundWorkerHandle *handle = nullptr;
  uint64_t generation = 0;
  int64_t at = 0;
  int failures = 0;
};

class Launcher {
 public:
  void Run();

 private:
  void TakeWork();
  void NoticeFailedStarts();
  void StartDue();
  bool StartWorker(Oid database);
  void TellFull(Oid database, size_t limit);
  long Timeout() const;

  std::map<Oid, int64_t> due_;  // databases to be probed, and from when
  std::map<Oid, Start> starts_;
  std::set<Oid> told_full_;
};

// Databases that accept connections: DROP DATABASE that was cut off leaves one that does not.
std::set<Oid> ReadDatabases() {
  struct Found {
    Oid *oids;
    int count;
  };
  Transaction transaction;
  Found found = CallPg([] {
    Found all{nullptr, 0};
    int capacity = 64;
    all.oids = static_cast<Oid *>(palloc(sizeof(Oid) * capacity));
    Relation relation = table_open(DatabaseRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, nullptr, 0, nullptr);
    while (HeapTuple tuple = systable_getnext(scan)) {
      auto *database = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
      if (!database->datallowconn || database->datconnlimit == kInvalidDatabase) continue;
      if (all.count == capacity) {
        capacity *= 2;
        all.oids = static_cast<Oid *>(repalloc(all.oids, sizeof(Oid) * capacity));
      }
      all.oids[all.count++] = database->oid;
    }
    systable_endscan(scan);
    table_close(relation, AccessShareLock);
    return all;
  });
  std::set<Oid> databases(found.oids, found.oids + found.count);
  transaction.Commit();
  return databases;
}

void Launcher::TakeWork() {
  Probes probes = TakeProbes();
  for (int n = 0; n < probes.count; ++n) {
    Oid database = probes.databases[n];
    auto started = starts_.find(database);
    int64_t when = NowMs();
    if (started != starts_.end() && started->second.at > 0) {
      Start &start = started->second;
      const WorkerEnd end = LastEndOf(database);
      if (end != WorkerEnd::kNone) {
        const bool failed = end == WorkerEnd::kFailed && when - start.at < kYoung;
        start.failures = failed ? start.failures + 1 : 0;
        start.at = 0;  // counted
      }
      if (start.failures > 1) {
        when += std::min(kLongestPause, kFirstPause << std::min(start.failures, 16));
      }
    }
    int64_t &due = due_.try_emplace(database, when).first->second;
    due = std::max(due, when);
  }
  if (!probes.all) return;
  for (Oid database : ReadDatabases())
    due_.try_emplace(database, NowMs());
}

void Launcher::NoticeFailedStarts() {
  for (const WorkerSlot &slot : WorkerSlots()) {
    if (slot.state != WorkerState::kStarting) continue;
    auto started = starts_.find(slot.database);
    pid_t pid = 0;
    bool ours = started != starts_.end() && started->second.generation == slot.generation;
    bool ended = ours && started->second.handle != nullptr &&
                 GetBackgroundWorkerPid(started->second.handle, &pid) == BGWH_STOPPED;
    bool lost = ours && NowMs() - started->second.at > kStartTimeout;
    if (!ours) starts_[slot.database] = {nullptr, slot.generation, NowMs(), 0};
    if (!ended && !lost) continue;
    ReleaseWorkerSlot(slot.database, slot.generation);
    RequestProbe(slot.database);
  }
}

bool Launcher::StartWorker(Oid database) {
  std::optional<uint64_t> generation = ClaimWorkerSlot(database);
  if (!generation) return true;  // runs already, or is paused, whose end asks again
  BackgroundWorker worker;
  memset(&worker, 0, sizeof(worker));
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;  // the launcher's matter
  worker.bgw_main_arg = ObjectIdGetDatum(database);
  worker.bgw_notify_pid = MyProcPid;
  strlcpy(worker.bgw_library_name, "agent_branch_worker", sizeof(worker.bgw_library_name));
  strlcpy(worker.bgw_function_name, "AgentBranchWorkerMain", sizeof(worker.bgw_function_name));
  strlcpy(worker.bgw_name, "agent_branch worker", sizeof(worker.bgw_name));
  strlcpy(worker.bgw_type, "agent_branch worker", sizeof(worker.bgw_type));
  Start &start = starts_[database];
  if (start.handle != nullptr) pfree(start.handle);
  start.handle = nullptr;
  BackgroundWorkerHandle **handle = &start.handle;
  bool registered = CallPg([&] {
    MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    bool done = RegisterDynamicBackgroundWorker(&worker, handle);
    MemoryContextSwitchTo(caller);
    return done;
  });
  start.generation = *generation;
  start.at = NowMs();
  if (registered) return true;
  ReleaseWorkerSlot(database, *generation);
  return false;
}

// It may be that this database has no extension: only a worker could tell.
void Launcher::TellFull(Oid database, size_t limit) {
  if (!told_full_.insert(database).second) return;
  LogMessage(LOG, "agent_branch: the database with OID " + std::to_string(database) +
                      " waits for a worker: " + std::to_string(limit) +
                      " databases have one, as many as agent_branch.database_workers allows");
}

void Launcher::StartDue() {
  if (due_.empty()) return;
  int64_t now = NowMs();
  bool any_due = std::any_of(due_.begin(), due_.end(),
                             [now](const auto &entry) { return entry.second <= now; });
  if (!any_due) return;
  std::set<Oid> existing = ReadDatabases();
  const char *limit_text = GetConfigOption("agent_branch.database_workers", true, false);
  size_t limit = limit_text == nullptr ? 8 : std::strtoul(limit_text, nullptr, 10);
  for (auto entry = due_.begin(); entry != due_.end();) {
    Oid database = entry->first;
    if (existing.count(database) == 0) {
      ForgetDatabase(database);
      starts_.erase(database);
      told_full_.erase(database);
      entry = due_.erase(entry);
      continue;
    }
    size_t busy = 0;
    bool has_worker = false;
    for (const WorkerSlot &slot : WorkerSlots()) {
      if (slot.state == WorkerState::kAbsent) continue;
      ++busy;
      has_worker = has_worker || slot.database == database;
    }
    // A worker that is there may be about to leave: the probe stays until it has.
    if (entry->second > now || has_worker || busy >= limit) {
      if (entry->second <= now && !has_worker) TellFull(database, limit);
      ++entry;
      continue;
    }
    if (StartWorker(database)) {
      told_full_.erase(database);
      entry = due_.erase(entry);
      continue;
    }
    LogMessage(WARNING, "agent_branch: no free background worker slot; raise max_worker_processes");
    entry->second = now + kNoWorkerFree;
    ++entry;
  }
}

long Launcher::Timeout() const {
  int64_t now = NowMs();
  int64_t next = -1;
  auto consider = [&](int64_t when) {
    int64_t wait = std::max<int64_t>(1, when - now);
    if (next < 0 || wait < next) next = wait;
  };
  for (const auto &[database, when] : due_) {
    if (when > now) consider(when);
  }
  for (const WorkerSlot &slot : WorkerSlots()) {
    if (slot.state == WorkerState::kStarting) consider(now + kStartTimeout);
  }
  return static_cast<long>(next);
}

void Launcher::Run() {
  for (;;) {
    CallPg([] {
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
      if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
      }
    });
    NoticeFailedStarts();
    TakeWork();
    StartDue();
    // Reading pg_database may have waited for a lock, which resets the latch.
    long timeout = HasProbes() ? 0 : Timeout();
    int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0);
    CallPg([=] { WaitLatch(MyLatch, events, timeout, WaitEventOfLauncher()); });
  }
}

void LauncherMain(Datum) {
  CallPg([] {
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    // Not bgworker.c's own handler, which raises FATAL wherever the signal arrives.
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
    pgstat_report_appname("agent_branch launcher");
  });
  AttachSharedMemory();
  AttachLauncher();
  Launcher launcher;
  launcher.Run();
}

}  // namespace
}  // namespace agent_branch

extern "C" {
PGDLLEXPORT void AgentBranchLauncherMain(Datum argument);
void AgentBranchLauncherMain(Datum argument) {
  agent_branch::EnterMain<agent_branch::LauncherMain>(argument);
}
}
