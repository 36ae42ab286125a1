// Duty: each session, merge and migration comes to the end that was asked for, unless something
// happened that makes another end right. What that may be is argued here, case by case.
//
// Nothing here reads what the worker says of its reasons: only what the models saw.
#include <algorithm>

#include "tests/simulation/effects.hpp"
#include "tests/simulation/invariants.hpp"
#include "tests/simulation/trials.hpp"

namespace agent_branch::simulation {
namespace {

std::string NameOf(const SessionRow &session) {
  return "session " + std::to_string(session.id);
}

const std::string &NeonProject(const Evidence &evidence, const SessionRow &session) {
  return evidence.store->projects().at(session.project_id).neon_id;
}

bool HasHarm(const Evidence &evidence, const SessionRow &session, Harm harm) {
  return evidence.harms->Has(harm, session.uuid) ||
         (!session.branch_id.empty() && evidence.harms->Has(harm, session.branch_id));
}

// Something was done to the session's branch, or Neon itself could not make it, or ended it when a
// later end could not be told in time, or was told by a calendar that was wrong.
bool IsBranchHarmed(const Evidence &evidence, const SessionRow &session) {
  bool may_expire = evidence.calendar_was_wrong || evidence.store->WasAsked(session.id, "extend");
  bool garbled = !IsOn(Trial::kUsableAnswers) && HasHarm(evidence, session, Harm::kAnswerGarbled);
  return HasHarm(evidence, session, Harm::kBranchTaken) ||
         HasHarm(evidence, session, Harm::kOperationFailed) || garbled ||
         (may_expire && HasHarm(evidence, session, Harm::kExpired));
}

// Whether its time had come when it went to the state that it is in.
bool WasDue(const Evidence &evidence, const SessionRow &session) {
  return evidence.store->IsDue(session, evidence.store->changed_at(session.id),
                               evidence.settings->max_age);
}

// One that failed may have been mended since.
bool HadFailure(const Evidence &evidence, const SessionRow &session) {
  const auto &attempts = evidence.store->attempts();
  return std::any_of(attempts.begin(), attempts.end(), [&](const auto &one) {
    return one.second.session_id == session.id && one.second.status == MigrationStatus::kFailed;
  });
}

bool HasMerge(const Evidence &evidence, const SessionRow &session, std::string_view status) {
  const auto &merges = evidence.store->merges();
  return std::any_of(merges.begin(), merges.end(), [&](const auto &one) {
    return one.second.session_id == session.id && one.second.status == status;
  });
}

bool MayHaveFailed(const Evidence &evidence, const SessionRow &session) {
  bool name_taken = evidence.harms->Has(Harm::kNameTaken,
                                        NeonProject(evidence, session) + " " + session.branch_name);
  // Neon refuses an expiry that is in the past by its calendar.
  bool refused = session.branch_id.empty() && (name_taken || evidence.calendar_was_wrong);
  return IsBranchHarmed(evidence, session) || WasDue(evidence, session) || refused ||
         HadFailure(evidence, session) || HasMerge(evidence, session, "failed");
}

void JudgeSession(const Evidence &evidence, const SessionRow &session, Witness &witness) {
  bool discard = evidence.store->WasAsked(session.id, "discard");
  std::string name = NameOf(session) + " (" + std::string(StateName(session.state)) + ")";
  switch (session.state) {
    case SessionState::kFailed:
      if (!MayHaveFailed(evidence, session))
        witness.Violation(name + " failed without a reason: " + session.error);
      break;
    case SessionState::kConflict:
      if (!HasMerge(evidence, session, "conflict") &&
          !evidence.store->WasAsked(session.id, "rebase"))
        witness.Violation(name + " has no merge that was refused");
      break;
    case SessionState::kDiscarded:
      if (!discard) witness.Violation(name + " was not to be discarded");
      break;
    case SessionState::kExpired:
      if (!evidence.calendar_was_wrong && !WasDue(evidence, session))
        witness.Violation(name + " ended before its time");
      break;
    case SessionState::kMerged:
      if (!HasMerge(evidence, session, "merged")) witness.Violation(name + " has no merge");
      break;
    default:
      break;
  }
  if (discard && !session.finished) witness.Violation(name + " was to be discarded");
}

bool HasEffect(const Evidence &evidence, const std::string &sql) {
  const std::vector<ModelStatement> statements = StatementsIn(sql);
  return std::any_of(statements.begin(), statements.end(), [&](const ModelStatement &statement) {
    return evidence.branches->WasApplied(statement.effect);
  });
}

// Whether the session's migrations can be run on the parent as it is now, whatever else happened
// there: as one transaction, and with nothing on the branch that they would leave behind.
bool MayBeReplayed(const Evidence &evidence, const SessionRow &session, const MergeRow &merge) {
  const bool wrote = evidence.harms->Has(Harm::kUnrecorded, session.uuid);
  if (merge.strategy == "restore" || merge.strategy == "candidate" ||
      (wrote && merge.on_unrecorded != "drop"))
    return false;
  for (const auto &[key, attempt] : evidence.store->attempts()) {
    if (attempt.session_id != session.id) continue;
    const std::string &sql = evidence.store->sql(key);
    const bool parts = sql.find("VACUUM") != std::string::npos ||
                       sql.find("INDEX") != std::string::npos ||
                       sql.find("VALUE") != std::string::npos;
    // Of one that failed, or of which nothing is known, a part may be there, and is in no record.
    if (parts && (attempt.status == MigrationStatus::kApplied || HasEffect(evidence, sql)))
      return false;
  }
  return true;
}

// A merge may be refused when the parent is not what the session began with, or cannot be replaced.
bool MayConflict(const Evidence &evidence, const SessionRow &session, const MergeRow &merge) {
  const std::string &project = NeonProject(evidence, session);
  std::optional<Instant> fork = evidence.harms->ForkOf(session.uuid);
  if (!fork || IsBranchHarmed(evidence, session)) return true;
  const bool replays = MayBeReplayed(evidence, session, merge);
  if (replays && merge.on_drift == "rebase") return false;  // others change other tables
  // A merge whose answer was lost is told of when the session may have begun after it. Of two that
  // came within one second nothing tells who began since the later one.
  const bool tells = IsOn(Trial::kExactFence) && evidence.neon->options.pace >= 1;
  milliseconds tolerance = tells ? milliseconds(1'000) : milliseconds(3'600'000);
  // A restore is proven by where the parent stood before the create, which may have waited since.
  if (tells && !replays) tolerance = milliseconds(600'000);
  if (evidence.harms->ParentChangedSince(project, *fork, session.uuid, tolerance)) return true;
  return !replays && (merge.strategy == "replay" || merge.strategy == "candidate" ||
                      evidence.harms->Has(Harm::kStandpointUnread, "parent of " + project) ||
                      evidence.harms->Has(Harm::kParentLocked, project) ||
                      evidence.store->projects().at(session.project_id).max_pinned.has_value());
}

bool MayHaveBroken(const Evidence &evidence, const SessionRow &session) {
  bool told_nothing = std::any_of(
      evidence.neon->restores().begin(), evidence.neon->restores().end(),
      [&](const RestoreRecord &record) {
        return record.session_uuid == session.uuid && record.indistinct && !record.is_undo;
      });
  return told_nothing || evidence.harms->Has(Harm::kRestoreUndone, session.uuid) ||
         HasHarm(evidence, session, Harm::kBranchTaken);
}

bool MayBeCancelled(const Evidence &evidence, const SessionRow &session) {
  return evidence.store->WasAsked(session.id, "discard") || session.finished ||
         session.state == SessionState::kFailed || WasDue(evidence, session) ||
         IsBranchHarmed(evidence, session) || HadFailure(evidence, session) ||
         HasMerge(evidence, session, "conflict") || HasMerge(evidence, session, "failed") ||
         HasMerge(evidence, session, "merged");
}

void JudgeMergeEnd(const Evidence &evidence, const MergeRow &merge, Witness &witness) {
  const SessionRow &session = evidence.store->sessions().at(merge.session_id);
  bool explained = true;
  if (merge.status == "conflict") {
    explained = MayConflict(evidence, session, merge);
  } else if (merge.status == "failed") {
    // A clock that jumped over the session's end, while a restore that may come late is waited for.
    const bool expired =
        merge.reason.find("no longer exists") != std::string::npos && WasDue(evidence, session);
    explained = expired || MayHaveBroken(evidence, session);
  } else if (merge.status == "cancelled") {
    explained = MayBeCancelled(evidence, session);
  }
  if (explained) return;
  witness.Violation("merge " + std::to_string(merge.id) + " of " + NameOf(session) + " is " +
                    merge.status + " without a reason: " + merge.reason);
}

// The number of the first statement that fails, from 1; 0: none does.
int FailingStatement(const std::string &sql) {
  int number = 0;
  for (const ModelStatement &statement : StatementsIn(sql)) {
    ++number;
    if (statement.fails) return number;
  }
  return 0;
}

void JudgeAttemptEnd(const Evidence &evidence, const std::pair<int64_t, int> &key,
                     const MigrationRow &attempt, Witness &witness) {
  if (attempt.status != MigrationStatus::kFailed) return;
  const SessionRow &session = evidence.store->sessions().at(attempt.session_id);
  int failing = FailingStatement(evidence.store->sql(key));
  bool rightly = failing > 0 && (attempt.statement == failing || attempt.statement == 0);
  bool unknown = evidence.harms->Has(Harm::kFateUnknown, std::to_string(key.first));
  bool branch_gone = IsBranchHarmed(evidence, session) || WasDue(evidence, session);
  if (rightly || unknown || branch_gone) return;
  witness.Violation("migration " + std::to_string(key.first) + ", attempt " +
                    std::to_string(key.second) + ", failed at statement " +
                    std::to_string(attempt.statement) +
                    " without a reason: " + attempt.error.sqlstate + " " + attempt.error.message);
}

void JudgeMigrationEnd(const Evidence &evidence, const MigrationRow &migration, Witness &witness) {
  if (migration.status != MigrationStatus::kCancelled) return;
  const SessionRow &session = evidence.store->sessions().at(migration.session_id);
  bool explained = session.finished || session.state == SessionState::kFailed ||
                   HadFailure(evidence, session) || IsBranchHarmed(evidence, session) ||
                   evidence.store->WasAsked(session.id, "discard");
  if (explained) return;
  witness.Violation("migration " + std::to_string(migration.id) + " of " + NameOf(session) +
                    " is cancelled without a reason");
}

// What was asked for and left no trace.
void JudgeAsked(const Evidence &evidence, Witness &witness) {
  for (const RequestRow &request : evidence.store->asked()) {
    bool lost = (request.kind == "merge" && evidence.store->merges().count(request.id) == 0) ||
                (request.kind == "undo" && evidence.store->undos().count(request.id) == 0);
    if (lost && IsInScope(evidence, evidence.store->sessions().at(request.session_id).project_id))
      witness.Violation("request " + std::to_string(request.id) + " (" + request.kind +
                        ") came to nothing");
  }
}

}  // namespace

bool IsInScope(const Evidence &evidence, int64_t project_id) {
  return project_id == 0 || evidence.sick_projects.count(project_id) == 0;
}

void JudgeDuty(const Evidence &evidence, Witness &witness) {
  auto in_scope = [&](int64_t session_id) {
    return IsInScope(evidence, evidence.store->sessions().at(session_id).project_id);
  };
  for (const auto &[id, session] : evidence.store->sessions()) {
    if (in_scope(id)) JudgeSession(evidence, session, witness);
  }
  for (const auto &[id, merge] : evidence.store->merges()) {
    if (in_scope(merge.session_id)) JudgeMergeEnd(evidence, merge, witness);
  }
  for (const auto &[key, attempt] : evidence.store->attempts()) {
    if (in_scope(attempt.session_id)) JudgeAttemptEnd(evidence, key, attempt, witness);
  }
  for (const auto &[id, migration] : evidence.store->migrations()) {
    if (in_scope(migration.session_id)) JudgeMigrationEnd(evidence, migration, witness);
  }
  JudgeAsked(evidence, witness);
}

bool IsExcused(const Evidence &evidence, const SessionRow &session) {
  const auto &merges = evidence.store->merges();
  const bool refused = std::any_of(merges.begin(), merges.end(), [&](const auto &one) {
    return one.second.session_id == session.id && MayConflict(evidence, session, one.second);
  });
  return MayHaveFailed(evidence, session) || refused || MayHaveBroken(evidence, session);
}

}  // namespace agent_branch::simulation
