// What is said of undos, against what became of the parent.
#include <algorithm>

#include "tests/simulation/invariants.hpp"

namespace agent_branch::simulation {
namespace {

const SessionRow &SessionOf(const Evidence &evidence, const UndoRow &undo) {
  return evidence.store->sessions().at(undo.session_id);
}

// Restores of the parent from the backup of the session's merge: those that stayed, or all.
int CountDone(const Evidence &evidence, const UndoRow &undo, bool all) {
  const std::string &uuid = SessionOf(evidence, undo).uuid;
  const auto &restores = evidence.neon->restores();
  return static_cast<int>(
      std::count_if(restores.begin(), restores.end(), [&](const RestoreRecord &record) {
        return record.is_undo && record.session_uuid == uuid && (all || !record.undone);
      }));
}

bool IsIndistinct(const Evidence &evidence, const UndoRow &undo) {
  const std::string &uuid = SessionOf(evidence, undo).uuid;
  const auto &restores = evidence.neon->restores();
  return std::any_of(restores.begin(), restores.end(), [&](const RestoreRecord &record) {
    return record.is_undo && record.session_uuid == uuid && record.indistinct;
  });
}

// A migration whose statement went on without its client may have written after the merge looked.
bool MayHaveWorkedOn(const Evidence &evidence, const SessionRow &session) {
  const auto &migrations = evidence.store->migrations();
  return std::any_of(migrations.begin(), migrations.end(), [&](const auto &one) {
    return one.second.session_id == session.id &&
           evidence.harms->Has(Harm::kFateUnknown, std::to_string(one.first));
  });
}

bool MayBeRefused(const Evidence &evidence, const UndoRow &undo) {
  const SessionRow &session = SessionOf(evidence, undo);
  const std::string &project = evidence.store->projects().at(session.project_id).neon_id;
  const auto point = evidence.store->undo_points().find(undo.merge_id);
  if (point == evidence.store->undo_points().end()) return false;  // nobody asks then
  const std::string &backup = point->second.backup_branch_id;
  const bool harmed = evidence.harms->Has(Harm::kBranchTaken, backup) ||
                      evidence.harms->Has(Harm::kExpired, backup) ||
                      evidence.harms->Has(Harm::kOperationFailed, backup) ||
                      evidence.harms->Has(Harm::kParentLocked, project);
  const bool over = evidence.store->undo_ended_at(undo.id) > point->second.until;
  if (harmed || over || evidence.calendar_was_wrong) return true;
  if (undo.forced) return false;
  // Where the parent stood is read before the backup of a replay is asked for, which may wait.
  constexpr milliseconds kTolerance{600'000};
  const std::optional<Instant> merged = evidence.harms->MergeOf(project, session.uuid);
  return !merged ||
         evidence.harms->ParentChangedSince(project, *merged, session.uuid, kTolerance) ||
         MayHaveWorkedOn(evidence, session);
}

void JudgeUndo(const Evidence &evidence, const UndoRow &undo, Witness &witness) {
  const std::string name = "undo " + std::to_string(undo.id);
  if (undo.status == "queued" || undo.status == "running") {
    witness.Violation(name + " is left " + undo.status);
    return;
  }
  const bool undone = undo.status == "undone";
  const int done = CountDone(evidence, undo, false);
  const bool unknown = undo.reason.find("it is not known") != std::string::npos;
  if (undone && done == 0) witness.Violation(name + " is said to be undone and is not");
  if (done > 1) witness.Violation(name + " is done " + std::to_string(done) + " times");
  bool told = undone || unknown;
  for (const auto &[id, other] : evidence.store->undos())
    told = told || (other.merge_id == undo.merge_id && other.status == "undone");
  if (done > 0 && !told && !IsIndistinct(evidence, undo))
    witness.Violation(name + " is said to be " + undo.status + " and is done: " + undo.reason);
  if (undo.status == "refused" && !MayBeRefused(evidence, undo))
    witness.Violation(name + " is refused without a reason: " + undo.reason);
  if (undo.status == "failed" && CountDone(evidence, undo, true) == 0)
    witness.Violation(name + " failed without a reason: " + undo.reason);
}

}  // namespace

void JudgeUndos(const Evidence &evidence, Witness &witness) {
  for (const auto &[id, undo] : evidence.store->undos()) {
    if (IsInScope(evidence, SessionOf(evidence, undo).project_id))
      JudgeUndo(evidence, undo, witness);
  }
}

}  // namespace agent_branch::simulation
