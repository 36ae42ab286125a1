// agent_branch.worker_status(), which the view agent_worker reads.
#include "extension/arguments.hpp"
#include "postgres/shared_state.hpp"

namespace agent_branch {
namespace {

constexpr int kColumns = 11;

const char *StateName(WorkerState state) {
  switch (state) {
    case WorkerState::kStarting:
      return "starting";
    case WorkerState::kRunning:
      return "running";
    case WorkerState::kStopping:
      return "stopping";
    case WorkerState::kAbsent:
      break;
  }
  return "absent";
}

// Plain code: an ERROR passes through.
void PutRow(ReturnSetInfo *result, const WorkerSlot &slot) {
  const WorkerNumbers &numbers = slot.numbers;
  Datum values[kColumns] = {
      Int32GetDatum(slot.pid),
      CStringGetTextDatum(StateName(slot.state)),
      TimestampTzGetDatum(slot.started_at),
      Int32GetDatum(numbers.sessions),
      Int32GetDatum(numbers.waiting),
      Int32GetDatum(numbers.calls_waiting),
      Int32GetDatum(numbers.calls_under_way),
      Int64GetDatum(numbers.calls_total),
      Int32GetDatum(numbers.call_budget),
      CStringGetTextDatum(numbers.last_error),
      TimestampTzGetDatum(numbers.last_error_at),
  };
  bool nulls[kColumns] = {};
  nulls[kColumns - 2] = nulls[kColumns - 1] = numbers.last_error_at == 0;
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum WorkerStatus(FunctionCallInfo fcinfo) {
  const auto slot = FindWorkerSlot(MyDatabaseId);
  CallPg([&] {
    InitMaterializedSRF(fcinfo, 0);
    if (slot && slot->pid != 0)
      PutRow(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo), *slot);
  });
  return Datum{0};
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_branch_worker_status, agent_branch::WorkerStatus)
