#include "tests/simulation/invariants.hpp"

#include <algorithm>
#include <set>

#include "tests/simulation/effects.hpp"

namespace agent_branch::simulation {
namespace {

std::string NameOf(const SessionRow &session) {
  return "session " + std::to_string(session.id) + " (" + std::string(StateName(session.state)) +
         ")";
}

bool HasPlace(const Evidence &evidence, const SessionRow &queued) {
  int taken = 0;
  for (const auto &[id, other] : evidence.store->sessions()) {
    bool branchless = other.branch_id.empty() && other.state == SessionState::kFailed;
    bool holds = other.project_id == queued.project_id && !other.finished && !branchless &&
                 other.state != SessionState::kQueued;
    taken += holds ? 1 : 0;
  }
  // The parent's compute is one; those of kept branches are suspended when it matters.
  return taken < evidence.store->projects().at(queued.project_id).max_parallel &&
         taken + 1 < evidence.settings->active_computes;
}

void JudgeSessions(const Evidence &evidence, Witness &witness) {
  for (const auto &[id, session] : evidence.store->sessions()) {
    if (!IsInScope(evidence, session.project_id)) continue;
    if (session.finished) {
      if (!IsFinal(session.state)) witness.Violation(NameOf(session) + " is finished");
      if (!session.settled) witness.Violation(NameOf(session) + " is finished and not settled");
      continue;
    }
    switch (session.state) {
      case SessionState::kQueued:
        if (HasPlace(evidence, session)) {
          witness.Violation(NameOf(session) + " waits though there is a place");
        }
        break;
      case SessionState::kReady:
      case SessionState::kConflict:
      case SessionState::kFailed:
        if (!session.settled) witness.Violation(NameOf(session) + " is not settled");
        break;
      default:
        witness.Violation(NameOf(session) + " does not come to rest: " + session.error);
    }
  }
}

// 0: of none.
int64_t ProjectOf(const Evidence &evidence, int64_t session_id) {
  auto found = evidence.store->sessions().find(session_id);
  return found == evidence.store->sessions().end() ? 0 : found->second.project_id;
}

void JudgeNothingOpen(const Evidence &evidence, Witness &witness) {
  for (const auto &[id, request] : evidence.store->requests()) {
    if (!IsInScope(evidence, ProjectOf(evidence, request.session_id))) continue;
    witness.Violation("request " + std::to_string(id) + " (" + request.kind + ") is not taken");
  }
  for (const auto &[id, step] : evidence.store->steps()) {
    if (step.status == "intended" && IsInScope(evidence, step.project_id)) {
      witness.Violation("step " + std::to_string(id) + " (" + std::string(StepKindName(step.kind)) +
                        ") is left open");
    }
  }
  for (const auto &[id, sweep] : evidence.store->sweeps()) {
    if (!sweep.finished) witness.Violation("sweep " + std::to_string(id) + " does not end");
  }
}

// The effects of the migrations that a session says were applied.
std::vector<int64_t> EffectsOf(const Evidence &evidence, const SessionRow &session) {
  std::vector<int64_t> effects;
  for (const auto &[key, attempt] : evidence.store->attempts()) {
    if (attempt.session_id != session.id || attempt.status != MigrationStatus::kApplied) continue;
    for (const ModelStatement &statement : StatementsIn(evidence.store->sql(key)))
      if (statement.effect != 0) effects.push_back(statement.effect);
  }
  return effects;
}

// What changed nothing, or nothing that was to be kept, is merged by doing nothing.
bool HasNothingToMerge(const Evidence &evidence, const SessionRow &session, const MergeRow &merge) {
  const bool wrote = evidence.harms->Has(Harm::kUnrecorded, session.uuid);
  return EffectsOf(evidence, session).empty() && (!wrote || merge.on_unrecorded == "drop");
}

void JudgeMerge(const Evidence &evidence, const MergeRow &merge, Witness &witness) {
  std::string name = "merge " + std::to_string(merge.id);
  bool waits = evidence.store->sessions().at(merge.session_id).state == SessionState::kQueued;
  int done = 0;
  bool indistinct = false;
  const SessionRow &session = evidence.store->sessions().at(merge.session_id);
  for (const RestoreRecord &record : evidence.neon->restores()) {
    if (record.session_uuid != session.uuid || record.is_undo) continue;
    done += record.undone ? 0 : 1;
    indistinct = indistinct || record.indistinct;
  }
  for (const ReplayRecord &record : evidence.neon->replays())
    done += record.session_uuid == session.uuid ? 1 : 0;
  bool merged = merge.status == "merged";
  // When the answer is lost, nothing at Neon shows which of two restores within one second was the
  // last. Then saying so is all that can be done: either guess could be wrong.
  if (merge.reason.rfind("it is not known", 0) == 0 && done <= 1) {
    if (!indistinct) witness.Violation(name + " is said to be unknown and could be known");
    return;
  }
  if (!merged && !waits && (merge.status == "queued" || merge.status == "running")) {
    witness.Violation(name + " is left " + merge.status);
  }
  bool first = true;  // a session merges once, but may have asked more often
  for (const auto &[id, other] : evidence.store->merges()) {
    first = first && (other.session_id != merge.session_id || other.status != "merged");
  }
  if (merged && done == 0 && !HasNothingToMerge(evidence, session, merge))
    witness.Violation(name + " is said to be merged and is not");
  if (first && !merged && done > 0) {
    witness.Violation(name + " is said to be " + merge.status + " and is merged");
  }
  if (done > 1) witness.Violation(name + " is done " + std::to_string(done) + " times");
}

// Whatever was merged is there to stay.
void JudgeMerged(const Evidence &evidence, const SessionRow &session, Witness &witness) {
  const ModelProject &project =
      evidence.neon->projects.at(evidence.store->projects().at(session.project_id).neon_id);
  std::set<int64_t> there;
  for (const auto &[id, branch] : project.branches) {
    if (branch.name == "dev")
      there.insert(branch.content.migrations.begin(), branch.content.migrations.end());
  }
  for (const int64_t effect : EffectsOf(evidence, session)) {
    const bool undone = project.taken_back.count(effect) > 0;
    if (undone && there.count(effect) > 0)
      witness.Violation(NameOf(session) + " was undone, and the parent has effect " +
                        std::to_string(effect));
    if (there.count(effect) == 0 && !undone)
      witness.Violation(NameOf(session) + " is merged, and the parent lacks effect " +
                        std::to_string(effect));
  }
}

// Which statements of an attempt are in effect, against what is said of it.
void JudgeStatement(const Evidence &evidence, const MigrationRow &attempt, int number, bool applied,
                    Witness &witness) {
  std::string name = "migration " + std::to_string(attempt.id) + ", attempt " +
                     std::to_string(attempt.attempt) + ", statement " + std::to_string(number);
  const SessionRow &session = evidence.store->sessions().at(attempt.session_id);
  if (number <= attempt.statements_done || attempt.status == MigrationStatus::kApplied) {
    if (!applied) witness.Violation(name + " is said to be applied and is not");
    return;
  }
  // Unless it says that it cannot know. With a branch that is given up goes whatever ran on it.
  bool told = attempt.error.sqlstate == "08007" ||
              (attempt.status == MigrationStatus::kCancelled && session.finished);
  if (applied && !told) {
    witness.Violation(name + " is said to be " + std::string(MigrationStatusName(attempt.status)) +
                      " and is applied");
  }
}

void JudgeAttempt(const Evidence &evidence, const std::pair<int64_t, int> &key,
                  const MigrationRow &attempt, Witness &witness) {
  // On a branch that was set aside since.
  if (evidence.store->IsOfEarlierBranch(key)) return;
  int number = 0;
  for (const ModelStatement &statement : StatementsIn(evidence.store->sql(key))) {
    ++number;
    if (statement.effect == 0) continue;
    const std::string &branch = evidence.store->sessions().at(attempt.session_id).branch_id;
    const bool applied = evidence.branches->WasApplied(branch, statement.effect);
    JudgeStatement(evidence, attempt, number, applied, witness);
  }
  if (attempt.status == MigrationStatus::kApplied && attempt.statements_done != number) {
    witness.Violation("migration " + std::to_string(key.first) + " is applied in part");
  }
}

void JudgeMigration(const Evidence &evidence, const MigrationRow &migration, Witness &witness) {
  const SessionRow &session = evidence.store->sessions().at(migration.session_id);
  bool open =
      migration.status == MigrationStatus::kQueued || migration.status == MigrationStatus::kRunning;
  if (open && session.state != SessionState::kQueued) {
    witness.Violation("migration " + std::to_string(migration.id) + " is left open");
  }
}

// What was begun and failed, or was cut off, is taken away again.
void JudgeIndexes(const Evidence &evidence, Witness &witness) {
  for (const auto &[id, session] : evidence.store->sessions()) {
    if (session.state != SessionState::kReady) continue;
    for (const auto &[name, project] : evidence.neon->projects) {
      auto found = project.branches.find(session.branch_id);
      if (found == project.branches.end()) continue;
      for (const auto &[index, whole] : found->second.indexes) {
        if (!whole) witness.Violation(NameOf(session) + " has half an index: " + index);
      }
    }
  }
}

uint64_t Combine(uint64_t hash, uint64_t value) {
  return (hash ^ value) * 0x9E3779B97F4A7C15 + (hash >> 29);
}

uint64_t HashSession(const Evidence &evidence, const SessionRow &session) {
  uint64_t hash = 1;
  hash = Combine(hash, static_cast<uint64_t>(session.state));
  hash = Combine(hash, static_cast<uint64_t>(session.goal));
  hash = Combine(hash,
                 (session.settled ? 1 : 0) + (session.pinned ? 2 : 0) +
                     (session.branch_id.empty() ? 4 : 0) + (session.operations.empty() ? 8 : 0) +
                     (session.base_fingerprint.empty() ? 16 : 0) +
                     (session.branch_expires_at == 0 ? 32 : 0) + (session.error.empty() ? 64 : 0));
  for (const auto &[id, project] : evidence.neon->projects) {
    auto found = project.branches.find(session.branch_id);
    if (found == project.branches.end()) continue;
    hash = Combine(hash, static_cast<uint64_t>(found->second.state) + 4);
    hash = Combine(hash, found->second.content.migrations.size());
  }
  return hash;
}

}  // namespace

void JudgeRest(const Evidence &evidence, Witness &witness) {
  auto in_scope = [&](int64_t session_id) {
    return IsInScope(evidence, ProjectOf(evidence, session_id));
  };
  JudgeSessions(evidence, witness);
  JudgeNothingOpen(evidence, witness);
  JudgeOwnership(evidence, witness);
  for (const auto &[id, merge] : evidence.store->merges()) {
    if (in_scope(merge.session_id)) JudgeMerge(evidence, merge, witness);
  }
  for (const auto &[id, session] : evidence.store->sessions()) {
    if (session.state == SessionState::kMerged && in_scope(id))
      JudgeMerged(evidence, session, witness);
  }
  for (const auto &[id, migration] : evidence.store->migrations()) {
    if (in_scope(migration.session_id)) JudgeMigration(evidence, migration, witness);
  }
  for (const auto &[key, attempt] : evidence.store->attempts()) {
    if (in_scope(attempt.session_id)) JudgeAttempt(evidence, key, attempt, witness);
  }
  JudgeIndexes(evidence, witness);
  JudgeUndos(evidence, witness);
}

void JudgeEnd(const Evidence &evidence, Witness &witness) {
  JudgeRest(evidence, witness);
  for (const auto &[id, session] : evidence.store->sessions()) {
    if (!session.finished && IsInScope(evidence, session.project_id))
      witness.Violation(NameOf(session) + " outlives its expiry");
  }
  JudgeLeftovers(evidence, witness);
}

uint64_t HashState(const Evidence &evidence) {
  uint64_t hash = 0;
  // Sums, so that the order of sessions does not matter.
  for (const auto &[id, session] : evidence.store->sessions()) {
    if (!session.finished) hash += HashSession(evidence, session);
  }
  for (const auto &[id, step] : evidence.store->steps()) {
    if (step.status == "intended") hash += Combine(2, static_cast<uint64_t>(step.kind));
  }
  for (const auto &[id, merge] : evidence.store->merges()) {
    bool open = merge.status == "queued" || merge.status == "running";
    if (open) hash += Combine(3, merge.accepted ? 1 : 0);
  }
  for (const auto &[id, migration] : evidence.store->migrations()) {
    bool open = migration.status == MigrationStatus::kQueued ||
                migration.status == MigrationStatus::kRunning;
    if (!open) continue;
    hash += Combine(4, (migration.transaction_id.empty() ? 1 : 0) +
                           (migration.seen_before.empty() ? 2 : 0) +
                           4 * static_cast<uint64_t>(migration.statements_done));
  }
  for (const auto &[id, kept] : evidence.store->kept()) {
    if (!kept.deleted) hash += Combine(5, kept.kind.size());
  }
  for (const auto &[id, project] : evidence.neon->projects) {
    hash += Combine(6, project.branches.size());
    hash += Combine(7, project.running.size());
  }
  return Combine(hash, evidence.store->requests().size());
}

}  // namespace agent_branch::simulation
