// Statements that cannot stand in a transaction, such as CREATE INDEX CONCURRENTLY.
//
// They leave half a thing behind when they fail or are cut off, and no transaction id to ask after.
// What there was before is noted with the step; afterwards the branch is asked what there is. Half
// a thing is taken away, or brought to its end, before the migration goes on or fails.
#include <utility>

#include "worker/core/session/migrate_flow.hpp"
#include "worker/core/session/notices.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kRunningInterval{1'000};
// Times that the branch refuses to tell, or to clean up, before nobody tries any more. A connection
// that is lost says nothing of the branch: it is tried again like all trouble of a branch.
constexpr int kMostRefusals = 5;
constexpr char kLeftBehind[] = "What it left unfinished is still there.";
constexpr char kRepeatable[] = "repeatable";
constexpr char kWhatLooks[] = "the branch to say what there is";

// "there schema.name" is a state and the object's own name.
std::pair<std::string, std::string> Split(const std::string &answer) {
  const size_t blank = answer.find(' ');
  if (blank == std::string::npos) return {answer, ""};
  return {answer.substr(0, blank), answer.substr(blank + 1)};
}

bool HadEffect(NonTransactional kind, const std::string &before, const std::string &now) {
  if (kind == NonTransactional::kCreateIndex) return before == kAloneAbsent && now == kAloneThere;
  if (kind == NonTransactional::kDropIndex || kind == NonTransactional::kDetachPartition)
    return before != kAloneAbsent && now == kAloneAbsent;
  return false;
}

// Whether half a thing is an index that was not there before.
bool LeavesIndex(NonTransactional kind, const std::string &before) {
  return (kind == NonTransactional::kCreateIndex && before == kAloneAbsent) ||
         (kind == NonTransactional::kReindex && before == kAloneThere);
}

}  // namespace

BranchTask MigrateFlow::LookTask(const Session &session, const Segment &segment) const {
  BranchTask task = TaskFor(session, segment);
  task.kind = BranchTaskKind::kInspectOutsideTransaction;
  return task;
}

Flow<Next> MigrateFlow::RunAlone(Session &session, Segment segment) {
  std::string before = kRepeatable;
  if (segment.non_transactional != NonTransactional::kRepeatable &&
      segment.non_transactional != NonTransactional::kOnce) {
    BranchTask look = LookTask(session, segment);
    BranchEvent event = co_await context_->RunOnBranch(session, std::move(look), kWhatLooks);
    if (event.outcome == BranchOutcome::kRejected) {
      co_await Rejected(session, event.server_error, static_cast<int>(segment.first) + 1, true);
      co_return Next::Look();
    }
    if (event.outcome != BranchOutcome::kDone) {
      Next next = co_await uris_->AfterConnectionFailure(session, event);
      co_return next;
    }
    before = Split(event.answer).first;
    if (before == kAloneRunning) {
      co_await context_->Pause(session, kRunningInterval, "a statement on the branch to end");
      co_return Next::Look();
    }
  }
  Result<std::string> sql = SegmentText(session, segment);
  if (!sql.ok()) co_return Next::Again(sql.status());
  session.migrations.front().seen_before = before;
  NoteIntent(session);
  const int ordinal = session.migrations.front().ordinal;
  const std::string what = "migration " + std::to_string(ordinal);
  co_await context_->IntendAndCommit(
      session, StepKind::kMigrate,
      what + ", statement " + std::to_string(segment.first + 1) + " alone");
  if (session.given_up()) co_return Next::Look();  // and nothing is sent
  BranchTask task = TaskFor(session, segment);
  task.sql = std::move(sql.value());
  BranchEvent event =
      co_await context_->RunOnBranch(session, std::move(task), what + " on its branch");
  switch (event.outcome) {
    case BranchOutcome::kDone:
      if (segment.non_transactional == NonTransactional::kCreateIndex && before == kAloneHalf) {
        const Status invalid = InvalidIndex(segment.object);
        session.run->rejection = AsServerError(invalid);
        co_return Next::Look();
      }
      session.migrations.front().segment_rows = event.rows;
      {
        std::string notices = co_await TellNotices(session, segment, event);
        SegmentDone(session, segment, "done", notices);
      }
      co_return Next::Look();
    case BranchOutcome::kRejected:
      session.run->rejection = event.server_error;
      session.migrations.front().segment_record = SaidOnly(session, segment, event);
      co_return Next::Look();
    case BranchOutcome::kNotRun: {
      Next next = co_await OnLost(session, event);
      co_return next;
    }
    case BranchOutcome::kCommitUnknown:
      break;
  }
  session.uncertain = true;
  co_return Next::Again(event.error);
}

Flow<Next> MigrateFlow::LookAfter(Session &session) {
  const Segment *current = CurrentSegment(session);
  if (current == nullptr || current->non_transactional == NonTransactional::kNo) {
    Unknown(session, "The migration is not read as it was when it began.", "cannot be looked up");
    co_return Next::Look();
  }
  if (current->non_transactional == NonTransactional::kOnce && !session.run->rejection) {
    Unknown(session, "What commits as it goes leaves nothing to be asked for.",
            "cannot be looked up");
    co_return Next::Look();
  }
  const Segment segment = *current;
  BranchTask look = LookTask(session, segment);
  BranchEvent event = co_await context_->RunOnBranch(session, std::move(look), kWhatLooks);
  if (event.outcome == BranchOutcome::kDone) {
    Next next = co_await Decide(session, segment, event.answer);
    co_return next;
  }
  const bool refused = event.outcome == BranchOutcome::kRejected;
  if (refused && ++session.run->refusals >= kMostRefusals) {
    Unknown(session, "The branch was asked: " + event.error.message() + ".", "cannot be looked up");
    co_return Next::Look();
  }
  if (refused) co_return Next::Again(event.error);
  Next next = co_await uris_->AfterConnectionFailure(session, event);
  co_return next;
}

Flow<Next> MigrateFlow::Decide(Session &session, Segment segment, std::string answer) {
  const auto [state, name] = Split(answer);
  const std::string before = session.migrations.front().seen_before;
  const bool half = state == kAloneHalf && session.run->refusals < kMostRefusals;
  if (state == kAloneRunning) {
    co_await context_->Pause(session, kRunningInterval, "a statement on the branch to end");
    co_return Next::Look();
  }
  if (HadEffect(segment.non_transactional, before, state)) {
    SegmentDone(session, segment, "found in effect");
    co_return Next::Look();
  }
  if (half && LeavesIndex(segment.non_transactional, before)) {
    Next next = co_await CleanUp(session, segment, "DROP INDEX CONCURRENTLY IF EXISTS " + name);
    co_return next;
  }
  if (half && segment.non_transactional == NonTransactional::kDetachPartition &&
      before == kAloneThere) {
    Next next = co_await CleanUp(
        session, segment,
        "ALTER TABLE " + segment.relation + " DETACH PARTITION " + segment.object + " FINALIZE");
    co_return next;
  }
  if (session.run->rejection) {
    ServerError error = *session.run->rejection;
    if (MayTryAgain(session, error)) {
      session.run->rejection.reset();
      co_await AwaitLock(session);
      co_return Next::Look();
    }
    if (state == kAloneHalf && before != kAloneHalf)
      error.detail += (error.detail.empty() ? "" : "\n") + std::string(kLeftBehind);
    const int statement = Locate(session, segment, 0, &error);
    if (error.sqlstate == "55P03") {
      std::string blockers = co_await AskBlockers(session, segment, statement);
      AddLine(blockers, &error.detail);
    }
    const std::string said = session.migrations.front().segment_record;
    co_await Rejected(session, error, statement, true, said);
    co_return Next::Look();
  }
  RunAgain(session, "found without effect");
  co_return Next::Look();
}

Flow<Next> MigrateFlow::CleanUp(Session &session, Segment segment, std::string sql) {
  BranchTask task = LookTask(session, segment);
  task.kind = BranchTaskKind::kRunOutsideTransaction;
  task.sql = std::move(sql);
  // Whatever comes of it, the branch is asked again.
  BranchEvent event =
      co_await context_->RunOnBranch(session, std::move(task), "the branch to be cleaned up");
  if (event.outcome == BranchOutcome::kDone) co_return Next::Look();
  if (event.outcome == BranchOutcome::kRejected) {
    ++session.run->refusals;
    co_return Next::Again(event.error);
  }
  Next next = co_await uris_->AfterConnectionFailure(session, event);
  co_return next;
}

}  // namespace agent_branch
