// Actors run flows, one at a time: a session, or one of a project's upkeep.
//
// An actor that is woken goes on with its flow, if what the flow waits for has come; without a flow
// it looks at its rows and begins the one that they ask for (Act). The flow may be ended from
// outside by Interrupt(): at once while what it waits for may be ended, else as soon as that has
// come. Whatever was begun at Neon or on a branch is a step in the journal, which the next flow
// finds; nothing that matters is in a flow's frame.
#pragma once

#include <coroutine>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "worker/core/base/clock.hpp"
#include "worker/core/base/status.hpp"
#include "worker/core/flow/flow.hpp"
#include "worker/core/state/model.hpp"
#include "worker/core/state/owner.hpp"

namespace agent_branch {

class Actor;
class Wait;

// Told of what actors do: see state/wait_reasons.hpp.
class ActorObserver {
 public:
  virtual ~ActorObserver() = default;
  virtual void OnSuspended(Actor &actor) = 0;
  virtual void OnResumed(Actor &actor) = 0;
};

// Which actors may go on, and when those that sleep wake. It outlives all actors.
class Scheduler {
 public:
  explicit Scheduler(const Clock *clock) : clock_(clock) {}

  // Lets every actor go on that was woken before this call, and wakes those whose time has come.
  // Those that are woken meanwhile go on in the next call. Returns whether there was one.
  bool RunOnce();
  bool HasReady() const { return !ready_.empty(); }
  std::optional<Instant> NextDeadline() const;
  Instant now() const { return clock_->Now(); }
  ActorObserver *observer = nullptr;

 private:
  friend class Actor;
  using Timers = std::multimap<Instant, Actor *>;

  const Clock *clock_;
  std::list<Actor *> ready_;
  Timers timers_;
};

class Actor {
 public:
  explicit Actor(Scheduler *scheduler) : scheduler_(scheduler) {}
  virtual ~Actor();
  Actor(const Actor &) = delete;
  Actor &operator=(const Actor &) = delete;

  // Goes on soon: with what was waited for, or, at rest, by looking at the rows.
  void Wake();
  // The same at a time, in the place of any time given before.
  void WakeAt(Instant when);
  void ForgetTime();
  // Ends the flow, and looks at the rows anew.
  void Interrupt();
  // Ends the flow wherever it is, and does nothing more until it is woken: its rows cannot be
  // written.
  void Stop();
  // Whose rows its flows write.
  virtual Owner owner() const = 0;

  bool at_rest() const { return !flow_.exists(); }
  // What the flow waits for; null at rest.
  const Wait *wait() const { return wait_; }
  Instant waits_since() const { return waits_since_; }
  // Another one for each wait.
  uint64_t wait_number() const { return wait_number_; }

  // The open step, and whether its outcome has to be found out before anything else is done.
  std::optional<StepRow> step;
  bool uncertain = false;
  int failures = 0;  // in a row, of what is being tried

 protected:
  // At rest: begins the flow that the rows ask for (Begin), or nothing.
  virtual void Act() = 0;
  // The flow was ended by a broken requirement: shows it.
  virtual void OnInternalError(const char *what) = 0;
  void Begin(Flow<> flow);
  // What derives ends its flow first, in its destructor: the flow may use what it has.
  void EndFlow();

 private:
  friend class Scheduler;
  friend class Wait;
  void Run();
  void Resume(std::coroutine_handle<> handle);
  void Suspend(std::coroutine_handle<> handle, Wait *wait);

  Scheduler *scheduler_;
  Flow<> flow_;
  std::coroutine_handle<> suspended_;
  Wait *wait_ = nullptr;
  Instant waits_since_{0};
  uint64_t wait_number_ = 0;
  bool interrupted_ = false;
  bool ready_ = false;
  std::list<Actor *>::iterator ready_at_;
  std::optional<Scheduler::Timers::iterator> timer_;
};

// What a flow waits for: lives in the flow's frame, and says in words what it is.
//
// A kind of wait begins what it waits for in OnBegin(), calls Complete() when that has come, and
// ends it in its destructor when it has not.
class Wait {
 public:
  Wait(Actor *actor, std::string what) : actor_(actor), what_(std::move(what)) {}
  virtual ~Wait() = default;
  Wait(const Wait &) = delete;
  Wait &operator=(const Wait &) = delete;

  // "Neon's answer to POST branches": what a person would ask for who sees the session stand still.
  virtual std::string What() const { return what_; }
  // Whether ending the wait leaves nothing behind whose outcome only this flow would record.
  bool MayEnd() const { return begun_ ? MayBeEnded() : MayBeSkipped(); }

  bool has_come() const { return has_come_; }

  bool await_ready() const { return has_come_; }
  void await_suspend(std::coroutine_handle<> handle);

 protected:
  virtual void OnBegin() = 0;
  // Asked only once it has begun.
  virtual bool MayBeEnded() const { return true; }
  // Asked before it has begun.
  virtual bool MayBeSkipped() const { return true; }
  // The time has come that the actor was to be woken at.
  virtual void OnTime() {}
  void Complete();
  Actor *actor() const { return actor_; }
  bool begun() const { return begun_; }

 private:
  friend class Actor;
  friend class Scheduler;
  Actor *actor_;
  std::string what_;
  bool begun_ = false;
  bool has_come_ = false;
};

}  // namespace agent_branch
