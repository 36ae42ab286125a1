// The tasks of one connection key, one after the other, and the connection that carries them.
//
// Phases, and what leads out of them:
//
//   kClosed     no connection            a task, and room for a connection  → kDialing
//   kDialing    a Dialer is at work      open → kRunning; given up → kClosed, task kNotRun
//   kRunning    a query is under way     its answer → the next step, kReady, kResetting, kOpen
//   kReady      migration awaits Commit  Commit() → kRunning; lost → kClosed, task kNotRun
//   kResetting  ROLLBACK, DISCARD ALL    done → kOpen; failed → kClosed
//   kOpen       connection is kept       a task → kRunning; idle for long, or lost → kClosed
//
// Cancel() leads from any of them to kClosed when it meets the task under way.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/branch/connection.hpp"
#include "worker/branch/dialer.hpp"
#include "worker/branch/runner_options.hpp"
#include "worker/branch/task_text.hpp"
#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

// What a channel asks of the runner that owns it.
class ChannelHost {
 public:
  virtual ~ChannelHost() = default;
  virtual int epoll() const = 0;
  virtual HostResolver *resolver() const = 0;
  virtual const RunnerOptions &options() const = 0;
  virtual void Report(BranchEvent event) = 0;
  // Takes a connection whose query must be ended at the server, and closes it then.
  virtual void Abandon(std::unique_ptr<Connection> connection, ConnectionTarget target) = 0;
};

class Channel {
 public:
  // host: borrowed. tag: the channel's own in the epoll set.
  Channel(ChannelHost *host, uint64_t tag, std::string key)
      : host_(host), tag_(tag), key_(std::move(key)) {}

  const std::string &key() const { return key_; }

  void Add(BranchTask task) { tasks_.push_back(std::move(task)); }
  void Commit(uint64_t id);
  bool Cancel(uint64_t id);  // false: no such task here
  void CloseIdle();

  // may_open: there is room for one more connection.
  void Advance(TimePoint now, bool may_open);
  std::optional<TimePoint> deadline() const;

  bool empty() const { return phase_ == Phase::kClosed && tasks_.empty(); }
  bool holds_connection() const { return phase_ != Phase::kClosed; }
  bool wants_connection() const { return phase_ == Phase::kClosed && !tasks_.empty(); }
  bool idle() const { return phase_ == Phase::kOpen && tasks_.empty(); }

 private:
  enum class Phase { kClosed, kDialing, kRunning, kReady, kResetting, kOpen };
  enum class Step {
    kBaseline,
    kScript,
    kBetween,
    kCheck,
    kProof,
    kCommit,
    kPrepare,
    kAlone,
    kQuery,
    kRollback,
    kDiscard
  };

  bool Move(TimePoint now, bool may_open);
  bool TakeTask(TimePoint now, bool may_open);
  void Dial(TimePoint now);
  bool FollowDialer(TimePoint now);
  bool FollowQuery(TimePoint now);
  bool EffectUnknown() const { return step_ == Step::kCommit || step_ == Step::kAlone; }
  bool TextSent() const { return step_ != Step::kPrepare; }
  std::chrono::milliseconds TimeFor(Step step) const;
  bool WatchReady(TimePoint now);
  bool WatchOpen(TimePoint now);

  void BeginTask(TimePoint now);
  void Send(Step step, const std::string &query, TimePoint now);
  void OnAnswer(TimePoint now);
  void SendScript(TimePoint now);
  // The text that is under way, of those that the task has.
  const std::string &ScriptText() const;
  bool AnyText(bool (*test)(std::string_view)) const;
  void OnBaseline(TimePoint now);
  void OnScript(TimePoint now);
  void OnBetween(TimePoint now);
  void OnCheck(TimePoint now);
  void OnProof(TimePoint now);
  void ReportReady();
  void OnCommit(TimePoint now);
  void OnPrepared(TimePoint now);
  void OnAlone(TimePoint now);
  void OnQuery(TimePoint now);
  void OnLost(TimePoint now);
  void OnOverdue();
  void Reset(TimePoint now);
  void KeepOpen(TimePoint now);

  void Finish(BranchEvent event);
  void AddNotices(BranchEvent *event) const;
  void Drop();
  void Abandon();

  ChannelHost *host_;
  uint64_t tag_;
  std::string key_;
  Phase phase_ = Phase::kClosed;
  Step step_ = Step::kQuery;
  std::deque<BranchTask> tasks_;
  std::optional<BranchTask> task_;  // the one under way, until it is reported
  Secret uri_;                      // of the connection
  ConnectionTarget target_;
  std::unique_ptr<Dialer> dialer_;
  std::unique_ptr<Connection> connection_;
  bool reused_ = false;   // the connection had been kept when the task began
  Prologue prologue_;     // what was sent before the script
  size_t script_ = 0;     // which of the task's texts
  int64_t rows_ = 0;      // of the texts
  int script_query_ = 0;  // which query of the connection the task's first text went in
  std::vector<std::string> baseline_;  // what the record begins with: see RecordBaseline()
  std::string before_;                 // the schema, where the task measures: see measure.hpp
  BranchEvent ready_;                  // what is told once the migration is proven
  TimePoint overdue_at_;
  TimePoint idle_since_;
};

}  // namespace agent_branch
