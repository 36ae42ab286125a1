// What a channel does with the answer to each step of its task, and without one.
#include <algorithm>
#include <utility>

#include "worker/branch/channel.hpp"
#include "worker/branch/task_text.hpp"
#include "worker/core/script/source_text.hpp"

namespace agent_branch {

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
  } else if (!reply.last_row.empty() && reply.last_row[0].starts_with(kOtherRole)) {
    Finish(RejectedForItsRole(task_->id, reply.last_row[0].substr(kOtherRole.size())));
  } else {
    Finish(RejectedForEndingItsTransaction(task_->id, false, {}));
  }
  Reset(now);
}

void Channel::OnProof(TimePoint now) {
  const Reply &reply = connection_->reply();
  if (!reply.failed && connection_->InTransaction() && TakeFingerprint(reply, &ready_))
    return ReportReady();
  Finish(Rejected(task_->id, reply.error.fields));
  Reset(now);
}

void Channel::ReportReady() {
  phase_ = Phase::kReady;
  AddNotices(&ready_);
  host_->Report(std::move(ready_));
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

void Channel::AddNotices(BranchEvent *event) const {
  const bool runs_text = task_->kind == BranchTaskKind::kMigrate ||
                         task_->kind == BranchTaskKind::kRunOutsideTransaction;
  if (!connection_ || !runs_text) return;
  event->notices_dropped = connection_->notices().dropped();
  event->notices.clear();
  for (const NoticeList::Heard &heard : connection_->notices().kept()) {
    event->notices.push_back(heard.notice);
    ServerNotice &notice = event->notices.back();
    if (task_->kind == BranchTaskKind::kRunOutsideTransaction) {
      notice.first = notice.last = 1;
    } else if (heard.query == script_query_ && task_->more.empty()) {
      const int next = heard.completed - prologue_.statements + 1;
      notice.first = std::clamp(next, 1, std::max(task_->statements, 1));
      notice.last = std::clamp(next + 1, 1, std::max(task_->statements, 1));
    }
  }
}

void Channel::Finish(BranchEvent event) {
  AddNotices(&event);
  task_.reset();
  host_->Report(std::move(event));
}

}  // namespace agent_branch
