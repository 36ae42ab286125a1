#include "worker/helpers.hpp"

#include <algorithm>

#include "postgres/guard.hpp"
#include "worker/core/flow/helper_pack.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

// From when a task's own timeout has passed until its process is terminated: starting it counts.
constexpr milliseconds kGrace{2'000};
constexpr milliseconds kNoProcessFree{1'000};
constexpr int kMostRefusals = 10;

Helpers *live = nullptr;  // for the end of the process, which calls no destructors

void TerminateAtExit(int, Datum) {
  if (live != nullptr) live->TerminateAll();
}

HelperEvent Lost(uint64_t id, const char *message) {
  HelperEvent event;
  event.id = id;
  event.error.sqlstate = "57014";
  event.error.message = message;
  return event;
}

BackgroundWorker Describe(dsm_segment *segment) {
  BackgroundWorker worker;
  memset(&worker, 0, sizeof(worker));
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
  worker.bgw_notify_pid = MyProcPid;
  strlcpy(worker.bgw_library_name, "agent_branch_worker", sizeof(worker.bgw_library_name));
  strlcpy(worker.bgw_function_name, "AgentBranchHelperMain", sizeof(worker.bgw_function_name));
  strlcpy(worker.bgw_name, "agent_branch helper", sizeof(worker.bgw_name));
  strlcpy(worker.bgw_type, "agent_branch helper", sizeof(worker.bgw_type));
  return worker;
}

}  // namespace

Helpers::Helpers(const Clock *clock) : clock_(clock) {
  if (live == nullptr) CallPg([] { before_shmem_exit(TerminateAtExit, Datum{0}); });
  live = this;
}

Helpers::~Helpers() {
  TerminateAll();
  live = nullptr;
}

void Helpers::Start(HelperTask task) {
  waiting_.push_back(std::move(task));
}

void Helpers::Cancel(uint64_t id) {
  std::erase_if(waiting_, [id](const HelperTask &task) { return task.id == id; });
  std::erase_if(events_, [id](const HelperEvent &event) { return event.id == id; });
  for (Running &running : running_) {
    if (running.id != id) continue;
    running.told = true;
    Terminate(&running);
  }
}

void Helpers::Advance() {
  for (Running &running : running_)
    Receive(&running);
  for (auto running = running_.begin(); running != running_.end();) {
    if (!Ended(*running)) {
      ++running;
      continue;
    }
    Release(&*running);
    running = running_.erase(running);
  }
  while (!waiting_.empty() && running_.size() < kMostHelpers && clock_->Now() >= start_at_) {
    if (Launch(waiting_.front())) {
      refused_ = 0;
      waiting_.pop_front();
    } else if (++refused_ < kMostRefusals) {
      start_at_ = clock_->Now() + kNoProcessFree;
    } else {
      refused_ = 0;
      HelperEvent event = Lost(waiting_.front().id, "no free background worker slot");
      event.error.sqlstate = "53000";
      event.error.hint = "Raise max_worker_processes.";
      events_.push_back(std::move(event));
      waiting_.pop_front();
    }
  }
}

bool Helpers::Launch(const HelperTask &task) {
  const std::string packed = PackTask(task);
  Running running;
  running.id = task.id;
  running.deadline = clock_->Now() + task.timeout + kGrace;
  // The entry first: what raises after this is released with it.
  running_.push_back(running);
  Running *made = &running_.back();
  const bool launched = CallPg([made, &packed] {
    made->memory =
        AllocSetContextCreate(TopMemoryContext, "agent_branch helper", ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(made->memory);
    made->segment =
        dsm_create(HelperSegment::SizeFor(packed.size()), DSM_CREATE_NULL_IF_MAXSEGMENTS);
    if (made->segment == nullptr) {
      MemoryContextSwitchTo(caller);
      return false;
    }
    dsm_pin_mapping(made->segment);
    auto *shared = static_cast<HelperSegment *>(dsm_segment_address(made->segment));
    shared->database = MyDatabaseId;
    shared->task_size = packed.size();
    memcpy(shared->task(), packed.data(), packed.size());
    shm_mq *queue = shm_mq_create(shared->queue(), kHelperQueueBytes);
    shm_mq_set_receiver(queue, MyProc);
    BackgroundWorker worker = Describe(made->segment);
    const bool registered = RegisterDynamicBackgroundWorker(&worker, &made->handle);
    if (registered) made->queue = shm_mq_attach(queue, made->segment, made->handle);
    MemoryContextSwitchTo(caller);
    return registered;
  });
  if (launched) return true;
  Release(made);
  running_.pop_back();
  return false;
}

void Helpers::Receive(Running *running) {
  if (running->told) return;
  Size size = 0;
  void *data = nullptr;
  const shm_mq_result result =
      CallPg([&] { return shm_mq_receive(running->queue, &size, &data, true); });
  if (result == SHM_MQ_SUCCESS) {
    std::optional<HelperEvent> event = UnpackEvent({static_cast<const char *>(data), size});
    if (!event) return Lose(running, "the helper's answer could not be read");
    Tell(running, std::move(*event));
  } else if (result == SHM_MQ_DETACHED) {
    Lose(running, "the helper ended before it gave an answer");
  } else if (clock_->Now() >= running->deadline) {
    Lose(running, "the helper was terminated, as it did not end in time");
  }
}

void Helpers::Tell(Running *running, HelperEvent event) {
  event.id = running->id;
  running->told = true;
  events_.push_back(std::move(event));
}

void Helpers::Lose(Running *running, const char *message) {
  Terminate(running);
  HelperEvent event = Lost(running->id, message);
  event.error.hint = "The server log may say more.";
  Tell(running, std::move(event));
}

void Helpers::Terminate(Running *running) noexcept {
  // No more than a flag and a signal, which raise nothing.
  if (running->handle != nullptr) TerminateBackgroundWorker(running->handle);
}

void Helpers::TerminateAll() noexcept {
  for (Running &running : running_)
    Terminate(&running);
}

bool Helpers::Ended(const Running &running) const {
  if (!running.told) return false;
  pid_t pid = 0;
  return GetBackgroundWorkerPid(running.handle, &pid) == BGWH_STOPPED;
}

void Helpers::Release(Running *running) {
  CallPg([running] {
    if (running->segment != nullptr) dsm_detach(running->segment);
    if (running->memory != nullptr) MemoryContextDelete(running->memory);
  });
}

std::vector<HelperEvent> Helpers::TakeEvents() {
  return std::exchange(events_, {});
}

std::optional<Instant> Helpers::NextDeadline() const {
  std::optional<Instant> next;
  auto consider = [&next](Instant when) { next = next ? std::min(*next, when) : when; };
  for (const Running &running : running_) {
    if (!running.told) consider(running.deadline);
  }
  if (!events_.empty()) consider(Instant(0));
  // Those that wait for another one to end are woken by its end.
  if (!waiting_.empty() && running_.size() < kMostHelpers) consider(start_at_);
  return next;
}

}  // namespace agent_branch
