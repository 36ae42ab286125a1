// Statements that cannot stand in a transaction, such as CREATE INDEX CONCURRENTLY.
//
// They leave half a thing behind when they fail or are cut off, and no transaction id to ask after.
// What there was before is noted with the step; afterwards the branch is asked what there is. Half
// a thing is taken away, or brought to its end, before the migration goes on or fails.
#include <utility>

#include "worker/core/session/migrate_flow.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kRunningInterval{1'000};
// Times that the branch refuses to tell, or to clean up, before nobody tries any more.
constexpr int kMostFailures = 8;
constexpr char kLeftBehind[] = "What it left unfinished is still there.";
constexpr char kRepeatable[] = "repeatable";

// "there schema.name" is a state and the object's own name.
std::pair<std::string, std::string> Split(const std::string &answer) {
  const size_t blank = answer.find(' ');
  if (blank == std::string::npos) return {answer, ""};
  return {answer.substr(0, blank), answer.substr(blank + 1)};
}

bool HadEffect(Alone kind, const std::string &before, const std::string &now) {
  if (kind == Alone::kCreateIndex) return before == kAloneAbsent && now == kAloneThere;
  if (kind == Alone::kDropIndex || kind == Alone::kDetachPartition)
    return before != kAloneAbsent && now == kAloneAbsent;
  return false;
}

// Whether half a thing is an index that was not there before.
bool LeavesIndex(Alone kind, const std::string &before) {
  return (kind == Alone::kCreateIndex && before == kAloneAbsent) ||
         (kind == Alone::kReindex && before == kAloneThere);
}

}  // namespace

BranchTask MigrateFlow::LookTask(const Session &session) const {
  BranchTask task = TaskFor(session, *CurrentSegment(session));
  task.kind = BranchTaskKind::kLookAlone;
  return task;
}

void MigrateFlow::LookBefore(Session &session, const Segment &segment) {
  if (segment.alone == Alone::kRepeatable || segment.alone == Alone::kOnce) {
    session.migrations.front().seen_before = kRepeatable;
    Intend(session, segment);
    return;
  }
  desk_->Run(session, LookTask(session), [this](Session &looked, const BranchEvent &event) {
    const std::string state = Split(event.answer).first;
    if (event.outcome == BranchOutcome::kDone && state != kAloneRunning) {
      looked.migrations.front().seen_before = state;
      Intend(looked, *CurrentSegment(looked));
    } else if (event.outcome == BranchOutcome::kDone) {
      desk_->Pause(looked, kRunningInterval);
    } else if (event.outcome == BranchOutcome::kRejected) {
      Rejected(looked, event.server_error, static_cast<int>(CurrentSegment(looked)->first) + 1,
               true);
    } else {
      desk_->TryAgainIfBranchExists(looked, event.error);
    }
  });
}

void MigrateFlow::LookAfter(Session &session) {
  const Segment *segment = CurrentSegment(session);
  if (segment == nullptr || segment->alone == Alone::kNo) {
    Unknown(session, "The migration is not read as it was when it began.", "cannot be looked up");
    return;
  }
  if (segment->alone == Alone::kOnce && !session.run->rejection) {
    Unknown(session, "What commits as it goes leaves nothing to be asked for.",
            "cannot be looked up");
    return;
  }
  desk_->Run(session, LookTask(session),
             [this](Session &looked, const BranchEvent &event) { OnLooked(looked, event); });
}

void MigrateFlow::OnLooked(Session &session, const BranchEvent &event) {
  if (event.outcome == BranchOutcome::kDone) {
    const auto [state, name] = Split(event.answer);
    Decide(session, state, name);
  } else if (event.outcome == BranchOutcome::kRejected && session.failures >= kMostFailures) {
    Unknown(session, "The branch was asked: " + event.error.message() + ".", "cannot be looked up");
  } else if (event.outcome == BranchOutcome::kRejected) {
    desk_->TryAgain(session, event.error);
  } else {
    desk_->TryAgainIfBranchExists(session, event.error);
  }
}

void MigrateFlow::Decide(Session &session, const std::string &state, const std::string &name) {
  const Segment &segment = *CurrentSegment(session);
  const std::string before = session.migrations.front().seen_before;
  const bool half = state == kAloneHalf && session.failures < kMostFailures;
  if (state == kAloneRunning) {
    desk_->Pause(session, kRunningInterval);
  } else if (HadEffect(segment.alone, before, state)) {
    SegmentDone(session, "found in effect");
  } else if (half && LeavesIndex(segment.alone, before)) {
    CleanUp(session, "DROP INDEX CONCURRENTLY IF EXISTS " + name);
  } else if (half && segment.alone == Alone::kDetachPartition && before == kAloneThere) {
    CleanUp(session, "ALTER TABLE " + segment.relation + " DETACH PARTITION " + segment.object +
                         " FINALIZE");
  } else if (session.run->rejection) {
    ServerError error = *session.run->rejection;
    if (state == kAloneHalf && before != kAloneHalf)
      error.detail += (error.detail.empty() ? "" : "\n") + std::string(kLeftBehind);
    const int statement = Locate(session, 0, &error);
    Rejected(session, error, statement, true);
  } else {
    RunAgain(session, "found without effect");
    desk_->Resume(session);
  }
}

void MigrateFlow::CleanUp(Session &session, const std::string &sql) {
  BranchTask task = LookTask(session);
  task.kind = BranchTaskKind::kRunAlone;
  task.sql = sql;
  // Whatever comes of it, the branch is asked again.
  desk_->Run(session, std::move(task), [this](Session &cleaned, const BranchEvent &event) {
    if (event.outcome == BranchOutcome::kDone) {
      desk_->Resume(cleaned);
    } else {
      desk_->TryAgain(cleaned, event.error);
    }
  });
}

}  // namespace agent_branch
