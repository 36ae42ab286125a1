#include "worker/branch/channel.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/branch/login_roles.hpp"
#include "worker/branch/task_text.hpp"
#include "worker/core/script/source_text.hpp"

namespace agent_branch {
namespace {

using State = Connection::State;

Status ZeroByte() {
  return Status::Error("22021", "invalid byte sequence for encoding \"UTF8\": 0x00");
}

// The most that a setting of the server's takes. The sum of two of them is a time still.
constexpr std::chrono::milliseconds kLongestTimeout{std::numeric_limits<int>::max()};

std::chrono::milliseconds Bounded(std::chrono::milliseconds timeout) {
  return std::clamp(timeout, std::chrono::milliseconds(0), kLongestTimeout);
}

// libpq's texts end at the first zero byte: the rest of the script would be left out in silence.
bool HasZeroByte(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

}  // namespace

void Channel::Advance(TimePoint now, bool may_open) {
  // A task may end in the turn it began; a long queue of such ones waits for the next turn.
  for (int moves = 0; moves < 100; ++moves) {
    if (!Move(now, may_open)) return;
  }
}

// True: the phase has changed, and there may be more to do.
bool Channel::Move(TimePoint now, bool may_open) {
  switch (phase_) {
    case Phase::kClosed:
      return TakeTask(now, may_open);
    case Phase::kDialing:
      return FollowDialer(now);
    case Phase::kRunning:
    case Phase::kResetting:
      return FollowQuery(now);
    case Phase::kReady:
      return WatchReady(now);
    case Phase::kOpen:
      return WatchOpen(now);
  }
  return false;
}

std::optional<TimePoint> Channel::deadline() const {
  if (connection_ && connection_->has_buffered_input()) return TimePoint{};
  switch (phase_) {
    case Phase::kClosed:
    case Phase::kReady:  // the server's own time-out ends it
      return std::nullopt;
    case Phase::kDialing:
      return dialer_->deadline();
    case Phase::kRunning:
    case Phase::kResetting:
      return overdue_at_;
    case Phase::kOpen:
      return tasks_.empty() ? idle_since_ + host_->options().idle_close : TimePoint{};
  }
  return std::nullopt;
}

bool Channel::TakeTask(TimePoint now, bool may_open) {
  if (tasks_.empty() || (phase_ == Phase::kClosed && !may_open)) return false;
  task_ = std::move(tasks_.front());
  tasks_.pop_front();
  if (AnyText(HasZeroByte)) {
    Finish(NotRun(task_->id, ZeroByte()));
    return true;
  }
  reused_ = connection_ && uri_ == task_->uri;
  if (reused_) {
    BeginTask(now);
  } else {
    Dial(now);
  }
  return true;
}

void Channel::Dial(TimePoint now) {
  Drop();
  Result<ConnectionTarget> target = ParseConnectionTarget(task_->uri);
  if (!target.ok()) return Finish(NotRun(task_->id, target.status()));
  uri_ = task_->uri;
  target_ = std::move(target.value());
  dialer_ = std::make_unique<Dialer>(host_->epoll(), tag_, host_->resolver(), host_->options(),
                                     target_, now + Bounded(task_->connect_timeout));
  phase_ = Phase::kDialing;
}

bool Channel::FollowDialer(TimePoint now) {
  dialer_->Advance(now);
  if (!dialer_->status().ok()) {
    Finish(NotRun(task_->id, dialer_->status()));
    Drop();
    return true;
  }
  connection_ = dialer_->TakeConnection();
  if (!connection_) return false;
  dialer_.reset();
  BeginTask(now);
  return true;
}

const std::string &Channel::ScriptText() const {
  return script_ == 0 ? task_->sql : task_->more[script_ - 1].sql;
}

bool Channel::AnyText(bool (*test)(std::string_view)) const {
  if (test(task_->sql)) return true;
  return std::any_of(task_->more.begin(), task_->more.end(),
                     [test](const BranchScript &script) { return test(script.sql); });
}

void Channel::BeginTask(TimePoint now) {
  connection_->ForgetNotices();
  script_ = 0;
  rows_ = 0;
  baseline_.clear();
  const bool sends_text = task_->kind == BranchTaskKind::kMigrate ||
                          task_->kind == BranchTaskKind::kRunOutsideTransaction;
  if (sends_text && !connection_->ReadsStandardStrings() && AnyText(HasPlainBackslash)) {
    Finish(RejectedForBackslash(task_->id));
    return KeepOpen(now);
  }
  if (task_->kind == BranchTaskKind::kMigrate) {
    if (task_->record) return Send(Step::kBaseline, BaselineText(*task_), now);
    return SendScript(now);
  }
  if (task_->kind == BranchTaskKind::kRunOutsideTransaction) {
    return Send(Step::kPrepare, AloneSettings(*task_, host_->options()), now);
  }
  const Result<std::string> text = IsOfLoginRoles(*task_)
                                       ? LoginRoleText(*task_, *connection_)
                                       : QueryText(*task_, connection_->server_version());
  if (text.ok()) return Send(Step::kQuery, text.value(), now);
  Finish(NotRun(task_->id, text.status()));
  KeepOpen(now);
}

void Channel::SendScript(TimePoint now) {
  prologue_ = MigrationPrologue(*task_, host_->options(), connection_->mark());
  const std::string query = prologue_.text + task_->sql;
  prologue_.text = connection_->mark() + prologue_.text;
  Send(Step::kScript, query, now);
  script_query_ = connection_->queries();
}

void Channel::Send(Step step, const std::string &query, TimePoint now) {
  step_ = step;
  phase_ = task_ ? Phase::kRunning : Phase::kResetting;
  const std::chrono::milliseconds grace = host_->options().answer_grace;
  overdue_at_ = now + grace + (task_ ? TimeFor(step) : grace);
  connection_->Send(query, step == Step::kQuery || step == Step::kProof);
}

// The server's statement_timeout is one for each statement, but what it answers to them comes when
// all have ended: that a server is silent is found out by one deadline for them all.
std::chrono::milliseconds Channel::TimeFor(Step step) const {
  const std::chrono::milliseconds one = Bounded(task_->statement_timeout);
  const int own = script_ == 0 ? task_->statements : task_->more[script_ - 1].statements;
  const int statements = std::max(own, 1);
  if (step != Step::kScript) return one;
  const std::chrono::milliseconds all = std::max(one, Bounded(task_->script_timeout));
  return one > all / statements ? all : one * statements;
}

bool Channel::FollowQuery(TimePoint now) {
  connection_->Advance();
  if (connection_->state() == State::kReady) {
    OnAnswer(now);
    return true;
  }
  if (connection_->state() == State::kBroken) {
    OnLost(now);
    return true;
  }
  if (now < overdue_at_) return false;
  OnOverdue();
  return true;
}

void Channel::Commit(uint64_t id) {
  if (phase_ != Phase::kReady || task_->id != id) return;
  // What has come meanwhile decides whether COMMIT is sent at all.
  connection_->Advance();
  const TimePoint now = std::chrono::steady_clock::now();
  if (connection_->state() == State::kBroken) {
    step_ = Step::kCheck;
    return OnLost(now);
  }
  Send(Step::kCommit, "COMMIT", now);
}

// A migration may have SET anything, made temporary tables, taken advisory locks.
void Channel::Reset(TimePoint now) {
  reused_ = false;
  if (connection_->state() != State::kReady) return Drop();
  if (connection_->InTransaction() || connection_->reply().failed)
    return Send(Step::kRollback, "ROLLBACK", now);
  Send(Step::kDiscard, "DISCARD ALL", now);
}

void Channel::KeepOpen(TimePoint now) {
  phase_ = Phase::kOpen;
  idle_since_ = now;
}

bool Channel::WatchReady(TimePoint now) {
  connection_->Advance();
  if (connection_->state() != State::kBroken) return false;
  step_ = Step::kCheck;
  OnLost(now);
  return true;
}

bool Channel::WatchOpen(TimePoint now) {
  connection_->Advance();
  if (connection_->state() == State::kBroken) {
    Drop();
    return !tasks_.empty();
  }
  if (!tasks_.empty()) return TakeTask(now, true);
  if (now < idle_since_ + host_->options().idle_close) return false;
  Drop();
  return false;
}

bool Channel::Cancel(uint64_t id) {
  if (task_ && task_->id == id) {
    task_.reset();
    Abandon();
    return true;
  }
  const auto at = std::find_if(tasks_.begin(), tasks_.end(),
                               [id](const BranchTask &task) { return task.id == id; });
  if (at == tasks_.end()) return false;
  tasks_.erase(at);
  return true;
}

void Channel::CloseIdle() {
  if (phase_ == Phase::kOpen) Drop();
}

void Channel::Drop() {
  dialer_.reset();
  connection_.reset();
  phase_ = Phase::kClosed;
}

// Only a statement under way needs to be ended at the server; an idle transaction ends with its
// connection.
void Channel::Abandon() {
  if (connection_ && connection_->state() == State::kBusy)
    host_->Abandon(std::move(connection_), target_);
  Drop();
}

}  // namespace agent_branch
