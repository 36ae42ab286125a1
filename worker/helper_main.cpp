// A helper's process: started by a worker (helpers.hpp), does one task, tells its event, and ends.
//
// It is logged in as the role on whose behalf it works, and so has no rights but that role's: there
// is no superuser below to be found by what it runs. Its settings are nobody else's, and go with
// it.
#include "postgres/guard.hpp"
#include "postgres/script_reader.hpp"
#include "postgres/spi.hpp"
#include "postgres/sql_trees.hpp"
#include "worker/core/fixer/fix_check.hpp"
#include "worker/core/flow/helper_pack.hpp"
#include "worker/core/script/script_pack.hpp"
#include "worker/fix_function.hpp"
#include "worker/helpers.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

dsm_segment *AttachSegment(Datum handle) {
  return CallPg([handle] {
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    dsm_segment *segment = dsm_attach(DatumGetUInt32(handle));
    // The worker has ended meanwhile.
    if (segment != nullptr) dsm_pin_mapping(segment);
    return segment;
  });
}

shm_mq_handle *AttachQueue(dsm_segment *segment, HelperSegment *shared) {
  return CallPg([segment, shared] {
    shm_mq_set_sender(shared->queue(), MyProc);
    MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    shm_mq_handle *queue = shm_mq_attach(shared->queue(), segment, nullptr);
    MemoryContextSwitchTo(caller);
    return queue;
  });
}

void Connect(Oid database, Oid role) {
  CallPg([database, role] {
    BackgroundWorkerInitializeConnectionByOid(database, role, kHelperConnectionFlags);
    pgstat_report_appname("agent_branch helper");
    // Whatever the database or the role has set: who is acting, and where names are looked up.
    SetConfigOption("role", "none", PGC_SUSET, PGC_S_OVERRIDE);
    SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
  });
}

std::string Check(const HelperTask &task) {
  Result<FixQuestion> question = DecodeFixQuestion(task.text);
  if (!question.ok()) RaiseStatus(question.status());
  Transaction transaction;
  PostgresSqlTrees trees;
  std::string verdict = EncodeIntent(CheckFix(question.value(), &trees));
  transaction.Commit();
  return verdict;
}

std::string Carry(const HelperTask &task) {
  if (task.kind == HelperTask::Kind::kCallFixFunction) return CallFixFunction(task);
  if (task.kind == HelperTask::Kind::kCheckFix) return Check(task);
  Transaction transaction;
  std::string packed = PackScript(PostgresScriptReader().Read(task.text));
  transaction.Commit();
  return packed;
}

HelperEvent Rejected(const PgError &error) {
  HelperEvent event;
  event.outcome = HelperEvent::Outcome::kRejected;
  event.error.sqlstate = unpack_sql_state(error.sqlerrcode);
  event.error.message = error.message;
  event.error.detail = error.detail;
  event.error.hint = error.hint;
  return event;
}

HelperEvent Do(const HelperTask &task) {
  try {
    const StatementTimeout timeout(static_cast<int>(task.timeout.count()));
    HelperEvent event;
    event.answer = Carry(task);
    event.outcome = HelperEvent::Outcome::kDone;
    if (event.answer.size() > kMaxHelperAnswer)
      Raise("54000", "the answer is longer than a helper may give");
    return event;
  } catch (const PgException &error) {
    return Rejected(error.error());
  } catch (const PgInterrupt &interrupt) {
    return Rejected(interrupt.error());
  }
}

void HelperMain(Datum argument) {
  dsm_segment *segment = AttachSegment(argument);
  if (segment == nullptr) return;
  auto *shared = static_cast<HelperSegment *>(dsm_segment_address(segment));
  shm_mq_handle *queue = AttachQueue(segment, shared);
  std::optional<HelperTask> task = UnpackTask({shared->task(), shared->task_size});
  if (!task) return;
  Connect(shared->database, task->role_oid);
  CallPg([] { pgstat_report_activity(STATE_RUNNING, "agent_branch helper"); });
  const std::string answer = PackEvent(Do(*task));
  CallPg([queue, &answer] { SendToWorker(queue, answer.size(), answer.data()); });
}

}  // namespace
}  // namespace agent_branch

extern "C" {
PGDLLEXPORT void AgentBranchHelperMain(Datum argument);
void AgentBranchHelperMain(Datum argument) {
  agent_branch::EnterMain<agent_branch::HelperMain>(argument);
}
}
