// The worker's helpers: background workers that do one HelperTask each.
//
// A task goes to its process through a segment of dynamic shared memory, its event comes back
// through a queue in it, which wakes the worker by its latch. No more than kMostHelpers run at
// once; other tasks wait here. A helper that is late is terminated, and ends at its next
// CHECK_FOR_INTERRUPTS(), which no function in SQL or PL/pgSQL can catch. Helpers end with the
// worker.
#pragma once

#include <deque>
#include <list>
#include <optional>
#include <vector>

#include "worker/core/base/clock.hpp"
#include "worker/core/flow/helper_task.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

constexpr size_t kMostHelpers = 2;
constexpr size_t kHelperQueueBytes = 64 * 1024;
constexpr size_t kMaxHelperAnswer = 64 * 1024 * 1024;

// At the beginning of a helper's segment; the packed task and the queue follow.
struct HelperSegment {
  Oid database;
  size_t task_size;
  char *task() { return reinterpret_cast<char *>(this) + MAXALIGN(sizeof(*this)); }
  shm_mq *queue() { return reinterpret_cast<shm_mq *>(task() + MAXALIGN(task_size)); }
  static size_t SizeFor(size_t task_size) {
    return MAXALIGN(sizeof(HelperSegment)) + MAXALIGN(task_size) + kHelperQueueBytes;
  }
};

class Helpers : public HelperRunner {
 public:
  explicit Helpers(const Clock *clock);
  ~Helpers() override;
  Helpers(const Helpers &) = delete;
  Helpers &operator=(const Helpers &) = delete;

  void Start(HelperTask task) override;
  void Cancel(uint64_t id) override;

  // Starts what may start, terminates what is late.
  void Advance();
  std::vector<HelperEvent> TakeEvents();
  std::optional<Instant> NextDeadline() const;
  // Every process is asked to end; nothing is waited for.
  void TerminateAll() noexcept;

 private:
  struct Running {
    uint64_t id = 0;
    Instant deadline{0};
    bool told = false;  // its event has come, or is not wanted any more
    BackgroundWorkerHandle *handle = nullptr;
    dsm_segment *segment = nullptr;
    shm_mq_handle *queue = nullptr;
    MemoryContext memory = nullptr;
  };

  bool Launch(const HelperTask &task);
  void Receive(Running *running);
  void Tell(Running *running, HelperEvent event);
  void Lose(Running *running, const char *message);
  void Terminate(Running *running) noexcept;
  bool Ended(const Running &running) const;
  static void Release(Running *running);

  const Clock *clock_;
  std::deque<HelperTask> waiting_;
  std::list<Running> running_;
  std::vector<HelperEvent> events_;
  Instant start_at_{0};  // after no process was to be had
  int refused_ = 0;      // how often in a row
};

}  // namespace agent_branch
