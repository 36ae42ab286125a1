// The worker's process: started by the launcher in a database that has the extension, or may have.
#include "worker/event_loop.hpp"

#include "postgres/installed_version.hpp"
#include "postgres/spi.hpp"
#include "postgres/wait_events.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

// What a database or a role may have set otherwise, and what the journal depends on.
void PinSettings() {
  CallPg([] {
    const char *pinned[][2] = {{"role", "none"},
                               {"search_path", "pg_catalog, pg_temp"},
                               {"default_transaction_isolation", "read committed"},
                               {"default_transaction_read_only", "off"},
                               {"default_transaction_deferrable", "off"},
                               {"statement_timeout", "0"},
                               {"idle_in_transaction_session_timeout", "0"},
                               // A user's open transaction must not hold up everybody else's work.
                               // Well below deadlock_timeout: if an update of the extension and the
                               // worker wait for each other, it is the worker that gives way.
                               {"lock_timeout", "300"},
                               {"row_security", "off"},
                               {"session_replication_role", "origin"},
                               {"synchronous_commit", "on"},
                               {"standard_conforming_strings", "on"},
                               {"DateStyle", "ISO"},
                               {"extra_float_digits", "1"}};
    for (const auto &setting : pinned) {
      SetConfigOption(setting[0], setting[1], PGC_SUSET, PGC_S_OVERRIDE);
    }
    if (kHasTransactionTimeout)
      SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
  });
}

Status VersionOfThisDatabase() {
  Transaction transaction;
  const std::string installed = InstalledVersion();
  transaction.Commit();
  // One without the extension is found out about by what follows.
  return installed.empty() ? Status() : CheckVersion(installed);
}

// Holds nothing meanwhile, so that ALTER EXTENSION has nobody to wait for. What ends a transaction
// that altered an extension wakes it.
void AwaitMatchingVersion() {
  std::string told;
  for (;;) {
    // Before the look: what is altered after it is noticed.
    CallPg([] { ResetLatch(MyLatch); });
    const Status status = VersionOfThisDatabase();
    if (status.ok()) return;
    if (told != status.message()) {
      told = status.message();
      LogMessage(LOG, "agent_branch: " + told + ". " + status.hint());
    }
    PublishError(status.message());
    CallPg([] {
      WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, WaitEventOfWorker());
      CHECK_FOR_INTERRUPTS();
      if (!ConfigReloadPending) return;
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    });
  }
}

void WorkerMain(Datum argument) {
  Oid database = DatumGetObjectId(argument);
  CallPg([] {
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    // Not bgworker.c's own handler, which raises FATAL wherever the signal arrives: inside
    // malloc(), or inside libcurl.
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
  });
  AttachSharedMemory();
  // Before connecting, so that whoever waits for this process to leave the database waits for the
  // connection to end too.
  if (!AttachWorker(database)) return;
  CallPg([database] {
    BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
    pgstat_report_appname("agent_branch worker");
  });
  PinSettings();
  AwaitMatchingVersion();
  unsigned int extension = FindExtension();
  if (extension == InvalidOid) {
    LeaveDatabase();
    return;
  }
  try {
    EventLoop loop(extension);
    loop.Run();
    EndsAsMeant();
  } catch (const ExtensionGone &) {
    // Dropped, or dropped and made again: a new worker looks at what is there now.
    LogMessage(DEBUG1, "agent_branch: the extension was dropped");
    EndsAsMeant();
  }
}

}  // namespace
}  // namespace agent_branch

extern "C" {
PG_MODULE_MAGIC;

PGDLLEXPORT void AgentBranchWorkerMain(Datum argument);
void AgentBranchWorkerMain(Datum argument) {
  agent_branch::EnterMain<agent_branch::WorkerMain>(argument);
}
}
