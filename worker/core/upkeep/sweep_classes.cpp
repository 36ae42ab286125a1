// The part of SweepFlow that says what each branch is to us.
#include <algorithm>
#include <utility>

#include "worker/core/base/text.hpp"
#include "worker/core/base/timestamp.hpp"
#include "worker/core/neon/annotation.hpp"
#include "worker/core/upkeep/sweep_flow.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxName = 256;
constexpr char kDelete[] = "delete";

// The unfinished session that the branch is, or may turn out to be: one whose create has no answer
// yet is known by the annotation.
const Session *SessionOfBranch(const Inventory &inventory, const NeonBranch &branch) {
  auto by_id = inventory.sessions_by_branch.find(branch.id);
  if (by_id != inventory.sessions_by_branch.end()) return by_id->second;
  auto by_uuid = inventory.sessions_by_uuid.find(AnnotatedWith(branch, kSessionKey));
  const bool known = by_uuid != inventory.sessions_by_uuid.end();
  return known && by_uuid->second->row.branch_id.empty() ? by_uuid->second : nullptr;
}

// A backup that is being made: its merge has not noted yet that it is there.
const Session *SessionOfBackup(const Project &project, const NeonBranch &branch) {
  for (const auto &[id, session] : project.sessions) {
    if (session->undo_point && session->undo_point->backup_name == branch.name) return session;
  }
  return nullptr;
}

const char *DeletionOf(const NeonBranch &branch) {
  if (branch.is_protected) return "blocked: protected";
  if (branch.is_default) return "blocked: default";
  return kDelete;
}

}  // namespace

void SweepFlow::Classify(Sweep &sweep, const std::vector<NeonBranch> &branches) {
  std::map<std::string, int> children;
  for (const NeonBranch &branch : branches)
    ++children[branch.parent_id];
  for (const NeonBranch &branch : branches) {
    SweepBranchRow row = Describe(sweep, branch);
    row.children = children[branch.id];
    // What is wrong in a way that nobody thought of must not delete everything at once.
    const bool due = row.action == kDelete;
    if (due && sweep.deletions >= context_->settings().reap_limit) {
      row.action = "next sweep";
    } else if (due) {
      ++sweep.deletions;
      Delete(sweep, row);
    } else if (row.class_name == "live") {
      CorrectExpiry(sweep, row);
    } else if (row.class_name == "expired" && row.action != kDelete) {
      // The session ends all the same; its branch is kept until Neon lets it go.
      const std::string blocked = row.action;
      Delete(sweep, row);
      row.action = blocked;
    }
    context_->journal().Add(std::move(row));
  }
}

SweepBranchRow SweepFlow::Describe(const Sweep &sweep, const NeonBranch &branch) const {
  const Project &project = *sweep.project;
  SweepBranchRow row;
  row.sweep_id = sweep.row.id;
  row.project_id = project.row.id;
  row.branch_id = branch.id;
  row.name = CleanText(branch.name, kMaxName);
  row.parent_id = branch.parent_id;
  row.created_at = ParseTimestamp(branch.created_at);
  row.expires_at = ParseTimestamp(branch.expires_at);
  row.logical_size = branch.logical_size;
  row.compute_seconds = branch.compute_seconds;
  row.action = "none";
  auto kept = project.kept.find(branch.id);
  if (branch.name == project.row.parent) {
    row.class_name = "parent";
  } else if (const Session *session = SessionOfBranch(context_->inventory(), branch)) {
    row.session_id = session->row.id;
    row.class_name = IsDue(*session) ? "expired" : "live";
    if (IsDue(*session)) row.action = DeletionOf(branch);
  } else if (kept != project.kept.end()) {
    row.session_id = kept->second.session_id;
    row.class_name = kept->second.kind;
    if (kept->second.keep_until <= context_->unix_time()) row.action = DeletionOf(branch);
  } else if (const Session *merging = SessionOfBackup(project, branch)) {
    row.session_id = merging->row.id;
    row.class_name = "backup";
  } else if (IsMadeBy(context_->inventory().installations, branch)) {
    row.class_name = "orphan";  // and in no table
    row.action = branch.parent_id.empty() ? "none" : DeletionOf(branch);
  } else {
    row.class_name = "foreign";
  }
  return row;
}

void SweepFlow::Delete(Sweep &sweep, SweepBranchRow &row) {
  const bool for_real = !sweep.row.dry_run;
  if (row.class_name == "expired") {
    Session *session = context_->inventory().FindSession(row.session_id);
    if (for_real && session != nullptr) Expire(sweep, *session);
  } else {
    if (for_real && row.class_name == "orphan") AdoptOrphan(*sweep.project, row);
    // The deletion that follows goes from child to parent, as far as Neon lets it.
    if (row.children > 0) row.action = "blocked by children";
  }
  if (!for_real && row.action == kDelete) row.action = "would delete";
}

void SweepFlow::CorrectExpiry(const Sweep &sweep, const SweepBranchRow &row) {
  Session *session = context_->inventory().FindSession(row.session_id);
  const bool rests = session != nullptr && session->at_rest() && session->row.settled &&
                     session->row.branch_id == row.branch_id;
  if (!rests || sweep.row.dry_run) return;
  // Somebody changed it at Neon, or our calendar was wrong when it was set. Saving the session sees
  // whether there is anything to do.
  session->row.branch_expires_at = row.expires_at;
  session->expiry_asked = 0;
  if (ExpiryDiffers(*session, context_->unix_time())) context_->Save(*session);
}

void SweepFlow::AdoptOrphan(Project &project, const SweepBranchRow &row) {
  KeptBranchRow orphan;
  orphan.project_id = project.row.id;
  orphan.branch_id = row.branch_id;
  orphan.name = row.name;
  orphan.kind = "orphan";
  project.Keep(orphan);
  context_->journal().Add(orphan);
}

void SweepFlow::AddGhosts(Sweep &sweep, const std::vector<NeonBranch> &branches) {
  std::set<std::string> seen;
  for (const NeonBranch &branch : branches)
    seen.insert(branch.id);
  const std::map<int64_t, Session *> sessions = sweep.project->sessions;
  for (const auto &[id, session] : sessions) {
    const SessionRow &row = session->row;
    const bool ghost = !row.finished && !row.branch_id.empty() &&
                       row.state != SessionState::kCreating && seen.count(row.branch_id) == 0;
    if (!ghost) continue;
    SweepBranchRow gone;
    gone.sweep_id = sweep.row.id;
    gone.project_id = sweep.project->row.id;
    gone.branch_id = row.branch_id;
    gone.name = row.branch_name;
    gone.class_name = "ghost";
    gone.session_id = id;
    gone.action = "none";
    context_->journal().Add(std::move(gone));
    if (IsDue(*session) && !sweep.row.dry_run) Expire(sweep, *session);
  }
}

}  // namespace agent_branch
