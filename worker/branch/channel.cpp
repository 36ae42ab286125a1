#include "worker/branch/channel.hpp"

#include <algorithm>
#include <limits>
#include <utility>

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
  if (connection_ && connection_->more()) return TimePoint{};
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
  const bool sends_text =
      task_->kind == BranchTaskKind::kMigrate || task_->kind == BranchTaskKind::kRunAlone;
  if (sends_text && !connection_->ReadsStandardStrings() && AnyText(HasPlainBackslash)) {
    Finish(RejectedForBackslash(task_->id));
    return KeepOpen(now);
  }
  if (task_->kind == BranchTaskKind::kMigrate) {
    if (task_->record) return Send(Step::kBaseline, BaselineText(*task_), now);
    return SendScript(now);
  }
  if (task_->kind == BranchTaskKind::kRunAlone) {
    return Send(Step::kPrepare, AloneSettings(*task_, host_->options()), now);
  }
  const Result<std::string> text = QueryText(*task_, connection_->server_version());
  if (text.ok()) return Send(Step::kQuery, text.value(), now);
  Finish(NotRun(task_->id, text.status()));
  KeepOpen(now);
}

void Channel::SendScript(TimePoint now) {
  prologue_ = MigrationPrologue(*task_, host_->options(), connection_->mark());
  const std::string query = prologue_.text + task_->sql;
  prologue_.text = connection_->mark() + prologue_.text;
  Send(Step::kScript, query, now);
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

void Channel::OnAnswer(TimePoint now) {
  switch (step_) {
    case Step::kBaseline:
      return OnBaseline(now);
    case Step::kScript:
      return OnScript(now);
    case Step::kBetween:
      return OnBetween(now);
    case Step::kCheck:
      return OnCheck(now);
    case Step::kProof:
      return OnProof(now);
    case Step::kCommit:
      return OnCommit(now);
    case Step::kPrepare:
      return OnPrepared(now);
    case Step::kAlone:
      return OnAlone(now);
    case Step::kQuery:
      return OnQuery(now);
    case Step::kRollback:
      if (connection_->reply().failed) return Drop();
      return Send(Step::kDiscard, "DISCARD ALL", now);
    case Step::kDiscard:
      if (connection_->reply().failed) return Drop();
      return KeepOpen(now);
  }
}

void Channel::OnBaseline(TimePoint now) {
  reused_ = false;  // it was alive: what is lost from here on is not an old connection
  if (!connection_->reply().failed) {
    baseline_ = connection_->reply().last_row;
    before_.clear();
    if (IsMeasured(*task_) && !baseline_.empty()) {
      before_ = std::move(baseline_.back());
      baseline_.pop_back();
    }
    return SendScript(now);
  }
  Finish(Rejected(task_->id, connection_->reply().error.fields));
  Reset(now);
}

void Channel::OnScript(TimePoint now) {
  const Reply &reply = connection_->reply();
  rows_ += reply.rows;
  if (!reply.failed && !reply.copied && !reply.committed && connection_->InTransaction()) {
    if (script_ < task_->more.size()) return Send(Step::kBetween, BetweenScripts(), now);
    return Send(Step::kCheck, MigrationCheck(*task_, before_), now);
  }
  const bool ended = reply.committed || (!reply.failed && !reply.copied);
  if (ended) {
    Finish(RejectedForEndingItsTransaction(task_->id, reply.committed, reply.error.fields));
  } else {
    Finish(RejectedScript(*task_, *connection_, prologue_, script_));
  }
  Reset(now);
}

void Channel::OnBetween(TimePoint now) {
  const Reply &reply = connection_->reply();
  const std::optional<DeferrableConstraints> deferrable =
      ReadDeferrable(reply, connection_->mark());
  if (deferrable && connection_->InTransaction()) {
    ++script_;
    prologue_ = NextPrologue(*task_, host_->options(), connection_->mark(), *deferrable, baseline_);
    const std::string query = prologue_.text + ScriptText();
    prologue_.text = connection_->mark() + prologue_.text;
    return Send(Step::kScript, query, now);
  }
  if (reply.failed) {
    Finish(Rejected(task_->id, reply.error.fields));
  } else {
    Finish(RejectedForEndingItsTransaction(task_->id, false, {}));
  }
  Reset(now);
}

void Channel::OnCheck(TimePoint now) {
  const Reply &reply = connection_->reply();
  std::optional<BranchEvent> ready = ReadyToCommit(*task_, reply, connection_->mark(), rows_);
  if (ready && connection_->InTransaction()) {
    ready_ = std::move(*ready);
    if (!task_->prove) return ReportReady();
    return Send(Step::kProof, ProofText(*task_, connection_->server_version()), now);
  }
  if (reply.failed) {
    Finish(Rejected(task_->id, reply.error.fields));
  } else {
    Finish(RejectedForEndingItsTransaction(task_->id, false, {}));
  }
  Reset(now);
}

void Channel::OnProof(TimePoint now) {
  const Reply &reply = connection_->reply();
  const bool answered = !reply.failed && reply.last_row.size() == 3 && connection_->InTransaction();
  if (answered) {
    ready_.fingerprint = reply.last_row[0];
    ready_.objects = JoinPages(reply.pages);
    ready_.answer = reply.last_row[2];
    return ReportReady();
  }
  Finish(Rejected(task_->id, reply.error.fields));
  Reset(now);
}

void Channel::ReportReady() {
  phase_ = Phase::kReady;
  AddNotices(&ready_);
  host_->Report(std::move(ready_));
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

void Channel::OnCommit(TimePoint now) {
  const Reply &reply = connection_->reply();
  if (reply.failed) {
    Finish(Rejected(task_->id, reply.error.fields));
  } else if (reply.last_tag == "COMMIT") {
    const bool stale = AnyText(ChangesSessionDefaults);
    Finish(Done(task_->id));
    // What a role or a database sets from now on is set for new connections only.
    if (stale) return Drop();
  } else {
    Finish(RejectedByRollback(task_->id));
  }
  Reset(now);
}

void Channel::OnPrepared(TimePoint now) {
  const Reply &reply = connection_->reply();
  if (!reply.failed) {
    prologue_ = AlonePrologue(*task_);
    const std::string query = prologue_.text + task_->sql;
    prologue_.text = connection_->mark() + prologue_.text;
    return Send(Step::kAlone, query, now);
  }
  Finish(Rejected(task_->id, reply.error.fields));
  Reset(now);
}

void Channel::OnAlone(TimePoint now) {
  const Reply &reply = connection_->reply();
  if (reply.failed || reply.copied) {
    Finish(RejectedScript(*task_, *connection_, prologue_, 0));
  } else {
    Finish(Done(task_->id, reply.rows));
  }
  Reset(now);
}

void Channel::OnQuery(TimePoint now) {
  const Reply &reply = connection_->reply();
  if (reply.failed) {
    Finish(Rejected(task_->id, reply.error.fields));
    return Reset(now);
  }
  // What runs somebody's own text may have taken advisory locks, or listen.
  const bool ours = task_->kind != BranchTaskKind::kGate;
  Finish(FinishedQuery(*task_, reply));
  if (!ours) return Reset(now);
  KeepOpen(now);
}

void Channel::OnLost(TimePoint now) {
  if (!task_) return Drop();
  const Reply &reply = connection_->reply();
  // The kept connection was dead already; the transaction that the query would have begun is not.
  if (reused_ && !connection_->heard() &&
      (step_ == Step::kBaseline || step_ == Step::kScript || step_ == Step::kPrepare ||
       step_ == Step::kQuery)) {
    reused_ = false;
    return Dial(now);
  }
  if (step_ == Step::kCommit && !reply.failed && reply.last_tag == "COMMIT") {
    OnCommit(now);  // the answer had come before the end
  } else if (step_ == Step::kAlone &&
             (reply.failed ? !reply.error.ends_session : reply.completed > 0)) {
    return OnAlone(now);
  } else if (step_ == Step::kScript && reply.committed) {
    ServerError after;
    after.message = connection_->failure().text;
    Finish(RejectedForEndingItsTransaction(task_->id, true, after));
  } else {
    Finish(Lost(task_->id, connection_->failure(), TextSent(), EffectUnknown()));
  }
  Drop();
}

void Channel::OnOverdue() {
  if (!task_) return Abandon();
  if (step_ == Step::kScript || step_ == Step::kAlone) {
    // A script may have set the server's own time-out aside. The statement is ended there.
    Finish(RejectedOverdue(*task_));
  } else {
    const ConnectionFailure silent{"57014", "The server did not answer in time."};
    Finish(Lost(task_->id, silent, TextSent(), EffectUnknown()));
  }
  Abandon();
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

void Channel::AddNotices(BranchEvent *event) const {
  const bool runs_text =
      task_->kind == BranchTaskKind::kMigrate || task_->kind == BranchTaskKind::kRunAlone;
  if (!connection_ || !runs_text) return;
  event->notices = connection_->notices().kept();
  event->notices_dropped = connection_->notices().dropped();
  const bool single =
      task_->kind == BranchTaskKind::kRunAlone || (task_->statements == 1 && task_->more.empty());
  for (ServerNotice &notice : event->notices)
    notice.statement = single ? 1 : 0;
}

void Channel::Finish(BranchEvent event) {
  AddNotices(&event);
  task_.reset();
  host_->Report(std::move(event));
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
