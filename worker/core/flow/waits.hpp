// The things a flow can wait for, each with co_await: FlowContext (context.hpp) makes them.
#pragma once

#include <deque>
#include <list>
#include <string>
#include <vector>

#include "worker/core/fixer/model_calls.hpp"
#include "worker/core/flow/actor.hpp"
#include "worker/core/flow/helper_task.hpp"
#include "worker/core/neon/api_calls.hpp"
#include "worker/core/neon/operations.hpp"

namespace agent_branch {

// An answer of the API. A change whose outcome is unknown leaves its step open with the actor,
// which is uncertain from then on.
class ApiWait : public Wait {
 public:
  ApiWait(Actor *actor, ApiCalls *calls, ApiCall call);
  ~ApiWait() override;

  std::string What() const override;
  const ApiAnswer &await_resume() const { return answer_; }

 protected:
  void OnBegin() override;
  bool MayBeEnded() const override { return calls_->MayCancel(id_); }

 private:
  ApiCalls *calls_;
  ApiCall call_;
  uint64_t id_ = 0;
  ApiAnswer answer_;
};

// The end of operations: those that ended without success.
class OperationsWait : public Wait {
 public:
  OperationsWait(Actor *actor, Operations *operations, Operations::Request request)
      : Wait(actor, "operations at Neon"), operations_(operations), request_(std::move(request)) {}
  ~OperationsWait() override;

  std::string What() const override;
  std::vector<NeonOperation> await_resume() { return std::move(failed_); }

 protected:
  void OnBegin() override;

 private:
  Operations *operations_;
  Operations::Request request_;
  uint64_t ticket_ = 0;
  std::vector<NeonOperation> failed_;
};

// Until the journal's next commit: everything written before is in the database.
class CommitWait : public Wait {
 public:
  CommitWait(Actor *actor, Journal *journal)
      : Wait(actor, "the control database"), journal_(journal) {}
  ~CommitWait() override;
  void await_resume() const {}

 protected:
  void OnBegin() override;
  // What is to follow the commit may be the reason for it.
  bool MayBeEnded() const override { return false; }
  bool MayBeSkipped() const override { return false; }

 private:
  Journal *journal_;
  std::shared_ptr<CommitWait *> self_;
};

class PauseWait : public Wait {
 public:
  PauseWait(Actor *actor, Instant until, std::string what)
      : Wait(actor, std::move(what)), until_(until) {}
  ~PauseWait() override {
    if (begun()) actor()->ForgetTime();
  }
  void await_resume() const {}

 protected:
  void OnBegin() override { actor()->WakeAt(until_); }
  void OnTime() override { Complete(); }

 private:
  Instant until_;
};

struct ModelReply {
  ModelAnswer answer;
  milliseconds took{0};
};

class ModelWait : public Wait {
 public:
  ModelWait(Actor *actor, ModelCalls *models, ModelQuestion question)
      : Wait(actor, "the answer of the fixer's model"),
        models_(models),
        question_(std::move(question)) {}
  ~ModelWait() override;
  ModelReply await_resume() { return std::move(reply_); }

 protected:
  void OnBegin() override;

 private:
  ModelCalls *models_;
  ModelQuestion question_;
  uint64_t id_ = 0;
  ModelReply reply_;
};

class HelperWait;

// Tasks in processes of their own, by id; null runner: none is to be had.
class RunningHelpers {
 public:
  explicit RunningHelpers(HelperRunner *runner) : runner_(runner) {}
  bool available() const { return runner_ != nullptr; }
  void OnEvent(const HelperEvent &event);

 private:
  friend class HelperWait;
  void Start(HelperWait *wait, HelperTask task);
  void Cancel(HelperWait *wait);

  HelperRunner *runner_;
  std::map<uint64_t, HelperWait *> waits_;
  uint64_t next_id_ = 1;
};

class HelperWait : public Wait {
 public:
  HelperWait(Actor *actor, RunningHelpers *helpers, HelperTask task, std::string what)
      : Wait(actor, std::move(what)), helpers_(helpers), task_(std::move(task)) {}
  ~HelperWait() override;
  HelperEvent await_resume() { return std::move(event_); }

 protected:
  void OnBegin() override;

 private:
  friend class RunningHelpers;
  RunningHelpers *helpers_;
  HelperTask task_;
  HelperEvent event_;
};

class RunningTask;

// Tasks under way on branches, by id.
class RunningTasks {
 public:
  explicit RunningTasks(BranchRunner *branches) : branches_(branches) {}
  void OnEvent(const BranchEvent &event);

 private:
  friend class RunningTask;
  BranchRunner *branches_;
  std::map<uint64_t, RunningTask *> tasks_;
  uint64_t next_id_ = 1;
};

// A task on a branch's database, for as long as this lives: destroying it cancels the task.
class RunningTask {
 public:
  RunningTask(RunningTasks *tasks, Actor *actor, BranchTask task, std::string what);
  ~RunningTask();
  RunningTask(const RunningTask &) = delete;
  RunningTask &operator=(const RunningTask &) = delete;

  class EventWait : public Wait {
   public:
    explicit EventWait(RunningTask *task) : Wait(task->actor_, task->what_), task_(task) {}
    ~EventWait() override {
      if (task_->waiting_ == this) task_->waiting_ = nullptr;
    }
    BranchEvent await_resume();

   protected:
    void OnBegin() override;
    bool MayBeEnded() const override { return !task_->held_; }
    bool MayBeSkipped() const override { return !task_->held_; }

   private:
    friend class RunningTasks;
    RunningTask *task_;
  };

  // The task's next event.
  EventWait Event() { return EventWait(this); }
  // After kReadyToCommit.
  void Commit();
  // From now on its end is waited for, whatever interrupts the flow.
  void Hold() { held_ = true; }

 private:
  friend class RunningTasks;
  RunningTasks *tasks_;
  Actor *actor_;
  std::string what_;
  uint64_t id_;
  std::deque<BranchEvent> events_;
  bool finished_ = false;
  bool held_ = false;
  EventWait *waiting_ = nullptr;
};

}  // namespace agent_branch
