// What must hold of the branches at Neon.
#include <algorithm>
#include <cstdlib>

#include "tests/simulation/invariants.hpp"

namespace agent_branch::simulation {
namespace {

const ModelBranch *BranchOf(const Evidence &evidence, const SessionRow &session) {
  const std::string &project = evidence.store->projects().at(session.project_id).neon_id;
  const auto &branches = evidence.neon->projects.at(project).branches;
  auto found = branches.find(session.branch_id);
  return found == branches.end() ? nullptr : &found->second;
}

bool IsResting(SessionState state) {
  return state == SessionState::kReady || state == SessionState::kConflict ||
         state == SessionState::kFailed;
}

// What a sweep cannot delete yet it has at least told of, if it could see what it is.
bool IsTold(const Evidence &evidence, const ModelProject &project, const ModelBranch &branch) {
  return project.HasChildren(branch.id) && (evidence.store->ClassOf(branch.id) == "orphan" ||
                                            !evidence.neon->options.lists_annotations);
}

bool IsKept(const Evidence &evidence, const ModelBranch &branch) {
  auto kept = evidence.store->kept().find(branch.id);
  return kept != evidence.store->kept().end() && !kept->second.deleted;
}

bool IsOfASession(const Evidence &evidence, const ModelBranch &branch) {
  const auto &sessions = evidence.store->sessions();
  return std::any_of(sessions.begin(), sessions.end(), [&](const auto &one) {
    const SessionRow &session = one.second;
    // One that failed before its branch came to be knows it by the annotation.
    bool named = session.branch_id == branch.id ||
                 (session.branch_id.empty() && session.uuid == branch.session_uuid);
    return named && !session.finished;
  });
}

std::string NameOf(const ModelProject &project, const ModelBranch &branch) {
  return "branch " + branch.id + " (" + branch.name + ") of project " + project.id;
}

void JudgeLeftover(const Evidence &evidence, const ModelProject &project, const ModelBranch &branch,
                   Witness &witness) {
  if (!IsKept(evidence, branch)) {
    bool told = IsTold(evidence, project, branch);
    if (!told) witness.Violation(NameOf(project, branch) + " is forgotten");
    return;
  }
  bool is_due = evidence.store->kept().at(branch.id).keep_until <= evidence.now;
  if (is_due && !project.HasChildren(branch.id)) {
    witness.Violation(NameOf(project, branch) + " is left though it could be deleted");
  }
}

}  // namespace

void JudgePlaces(const Evidence &evidence, Witness &witness) {
  std::map<int64_t, int> taken;
  for (const auto &[id, session] : evidence.store->sessions()) {
    bool branchless = session.branch_id.empty() && session.state == SessionState::kFailed;
    bool holds = !session.finished && session.state != SessionState::kQueued && !branchless;
    taken[session.project_id] += holds ? 1 : 0;
  }
  for (const auto &[id, count] : taken) {
    int limit = evidence.store->projects().at(id).max_parallel;
    if (count <= limit) continue;
    witness.Violation(std::to_string(count) + " sessions of project " + std::to_string(id) +
                      " have a place, and the limit is " + std::to_string(limit));
  }
}

void JudgeExpiries(const Evidence &evidence, bool swept, Witness &witness) {
  constexpr int64_t kTooLateToAsk = 5;
  for (const auto &[id, session] : evidence.store->sessions()) {
    if (session.finished || !IsResting(session.state) || session.branch_id.empty()) continue;
    if (session.expires_at <= evidence.now + kTooLateToAsk) continue;
    const ModelBranch *branch = BranchOf(evidence, session);
    // Neon keeps whole seconds.
    if (branch == nullptr || std::abs(branch->expires_at - session.expires_at) <= 1) continue;
    const std::string &project = evidence.store->projects().at(session.project_id).neon_id;
    // Neon lets no branch with children expire.
    if (evidence.neon->projects.at(project).HasChildren(branch->id)) continue;
    // Nothing tells of a request that comes when it was answered already, nor of the end of a time
    // in which the calendar was wrong. A sweep sees what came of it.
    if (!swept && (branch->patched_late || evidence.calendar_was_wrong)) continue;
    witness.Violation("session " + std::to_string(id) + " ends at " +
                      std::to_string(session.expires_at) + ", and its branch " + branch->id +
                      " at " + std::to_string(branch->expires_at));
  }
}

void JudgeOwnership(const Evidence &evidence, Witness &witness) {
  for (const auto &[id, session] : evidence.store->sessions()) {
    if (session.branch_id.empty()) continue;
    const ModelBranch *branch = BranchOf(evidence, session);
    if (branch == nullptr || branch->session_uuid == session.uuid) continue;
    witness.Violation("session " + std::to_string(id) + " has taken branch " + branch->id +
                      ", which is not its own");
  }
  for (const ForeignRecord &foreign : evidence.neon->foreign()) {
    const auto &branches = evidence.neon->projects.at(foreign.project_id).branches;
    auto found = branches.find(foreign.branch_id);
    bool untouched = found != branches.end() && found->second.name == foreign.name &&
                     found->second.expires_at == 0 &&
                     found->second.content.migrations == foreign.content.migrations &&
                     found->second.content.writes == foreign.content.writes;
    if (!untouched) witness.Violation("branch " + foreign.branch_id + " of others was touched");
  }
}

void JudgeKnown(const Evidence &evidence, Witness &witness) {
  for (const auto &[id, project] : evidence.neon->projects) {
    for (const auto &[branch_id, branch] : project.branches) {
      // Without annotations in its list a sweep knows none of them; then they expire.
      bool expires = branch.expires_at != 0 && !evidence.neon->options.lists_annotations;
      bool known = !branch.ours() || branch.disowned_at || expires || IsKept(evidence, branch) ||
                   IsOfASession(evidence, branch) || IsTold(evidence, project, branch);
      if (!known) witness.Violation(NameOf(project, branch) + " is not known after two sweeps");
    }
  }
}

void JudgeLeftovers(const Evidence &evidence, Witness &witness) {
  std::set<std::string> sick;
  for (int64_t id : evidence.sick_projects)
    sick.insert(evidence.store->projects().at(id).neon_id);
  for (const auto &[id, project] : evidence.neon->projects) {
    if (sick.count(id) > 0) continue;
    for (const auto &[branch_id, branch] : project.branches) {
      if (branch.ours() && !branch.disowned_at) JudgeLeftover(evidence, project, branch, witness);
    }
  }
}

}  // namespace agent_branch::simulation
