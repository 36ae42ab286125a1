// agent_branch.worker_status(), which the view agent_worker reads.
#include <algorithm>

#include "extension/arguments.hpp"
#include "extension/settings.hpp"
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

// How many workers there may be, if there are as many.
int WorkersIfFull() {
  const std::vector<WorkerSlot> slots = WorkerSlots();
  const auto busy = std::count_if(slots.begin(), slots.end(), [](const WorkerSlot &slot) {
    return slot.state != WorkerState::kAbsent;
  });
  const int most = DatabaseWorkers();
  return busy >= most ? most : 0;
}

// That this database's worker has to wait for another's to leave.
void PutWaitingRow(ReturnSetInfo *result, int most) {
  Datum values[kColumns] = {};
  bool nulls[kColumns];
  memset(nulls, true, sizeof(nulls));
  values[1] = CStringGetTextDatum(StateName(WorkerState::kAbsent));
  values[kColumns - 2] = CStringGetTextDatum(psprintf(
      "%d databases have a worker, as many as agent_branch.database_workers allows", most));
  nulls[1] = nulls[kColumns - 2] = false;
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum WorkerStatus(FunctionCallInfo fcinfo) {
  const auto slot = FindWorkerSlot(MyDatabaseId);
  const bool present = slot && slot->pid != 0;
  const int full = present || !HasSharedMemory() ? 0 : WorkersIfFull();
  CallPg([&] {
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (present)
      PutRow(result, *slot);
    else if (full > 0 && (!slot || slot->state == WorkerState::kAbsent))
      PutWaitingRow(result, full);
  });
  return Datum{0};
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_branch_worker_status, agent_branch::WorkerStatus)
