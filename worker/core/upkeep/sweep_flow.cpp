#include "worker/core/upkeep/sweep_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/text.hpp"
#include "worker/core/base/timestamp.hpp"
#include "worker/core/neon/annotation.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxName = 256;
constexpr char kDelete[] = "delete";

// The unfinished session that the branch is, or may turn out to be: one whose create has no answer
// yet is known by the annotation.
const Session *SessionOfBranch(const World &world, const NeonBranch &branch) {
  std::string uuid = AnnotatedWith(branch, kSessionKey);
  for (const auto &[id, session] : world.sessions) {
    const SessionRow &row = session->row;
    if (row.branch_id == branch.id || (row.branch_id.empty() && row.uuid == uuid)) {
      return session.get();
    }
  }
  return nullptr;
}

}  // namespace

void SweepFlow::Add(const SweepRow &sweep) {
  waiting_.push_back({sweep, 0});
}

std::optional<Instant> SweepFlow::NextDeadline() const {
  return next_scheduled_;
}

void SweepFlow::Schedule() {
  int64_t interval = desk_->settings().reap_interval;
  if (interval == scheduled_for_) return;
  scheduled_for_ = interval;
  next_scheduled_.reset();
  if (interval > 0) next_scheduled_ = desk_->now() + std::chrono::seconds(interval);
}

void SweepFlow::Advance() {
  Schedule();
  if (next_scheduled_ && *next_scheduled_ <= desk_->now()) {
    scheduled_for_ = 0;
    Schedule();
    if (!desk_->world().projects.empty()) AddOwn(0);
  }
  for (const auto &[id, project] : desk_->world().projects) {
    if (!project->sweep_wanted) continue;
    project->sweep_wanted = false;
    AddOwn(id);
  }
  FinishIfDone();
  if (!current_ && !waiting_.empty()) Start();
}

void SweepFlow::AddOwn(int64_t project_id) {
  Result<int64_t> id = desk_->store().CreateSweep();
  if (!id.ok()) return;  // the next one comes by itself
  SweepRow sweep;
  sweep.id = id.value();
  waiting_.push_back({sweep, project_id});
}

void SweepFlow::Start() {
  current_ = std::make_unique<Sweep>();
  auto [row, only_project] = waiting_.front();
  waiting_.pop_front();
  current_->row = row;
  current_->row.started = true;
  desk_->journal().Add(current_->row);
  for (const auto &[id, project] : desk_->world().projects) {
    if (only_project == 0 || id == only_project) current_->projects.push_back(id);
  }
  NextProject();
}

void SweepFlow::NextProject() {
  while (!current_->projects.empty()) {
    int64_t id = current_->projects.back();
    current_->projects.pop_back();
    Project *project = desk_->world().FindProject(id);
    if (project == nullptr) continue;
    current_->asking = true;
    ExpireQueued(*project);
    BranchListing listing;
    listing.like.priority = Priority::kCleanup;
    listing.like.project = project;
    listing.like.trouble = [this](const Status &why) {
      if (!current_ || why.ok() || current_->row.error == why.message()) return;
      current_->row.error = CleanText(why.message(), 500);
      desk_->journal().Add(current_->row);
    };
    listing.then = [this, id](const Result<std::vector<NeonBranch>> &branches) {
      OnBranches(id, branches);
    };
    ListBranches(desk_->calls(), std::move(listing));
    return;
  }
  FinishIfDone();
}

void SweepFlow::OnBranches(int64_t project_id, const Result<std::vector<NeonBranch>> &branches) {
  current_->asking = false;
  Project *project = desk_->world().FindProject(project_id);
  if (project != nullptr && branches.ok()) {
    Classify(*project, branches.value());
    AddGhosts(*project, branches.value());
    if (!current_->row.dry_run) project->retire_wanted = true;
  } else if (project != nullptr) {
    // A list that is not whole proves nothing.
    current_->row.error = "project " + project->row.neon_id + ": " + branches.status().message();
  }
  NextProject();
}

bool SweepFlow::IsDue(const Session &session) const {
  int64_t now = desk_->unix_time();
  return now >= session.row.expires_at || now >= session.row.created_at + desk_->settings().max_age;
}

void SweepFlow::Classify(Project &project, const std::vector<NeonBranch> &branches) {
  std::map<std::string, int> children;
  for (const NeonBranch &branch : branches)
    ++children[branch.parent_id];
  int deletions = 0;
  for (const NeonBranch &branch : branches) {
    SweepBranchRow row = Describe(project, branch);
    row.children = children[branch.id];
    // What is wrong in a way that nobody thought of must not delete everything at once.
    bool due = row.action == kDelete;
    if (due && deletions >= desk_->settings().reap_limit) {
      row.action = "next sweep";
    } else if (due) {
      ++deletions;
      Delete(project, row);
    } else if (row.class_name == "live") {
      CorrectExpiry(row);
    }
    desk_->journal().Add(std::move(row));
  }
}

void SweepFlow::Delete(Project &project, SweepBranchRow &row) {
  bool for_real = !current_->row.dry_run;
  if (row.class_name == "expired") {
    Session *session = desk_->world().FindSession(row.session_id);
    if (for_real && session != nullptr) Expire(*session);
  } else {
    if (for_real && row.class_name == "orphan") AdoptOrphan(project, row);
    // The retire pass that follows goes from child to parent, as far as Neon lets it.
    if (row.children > 0) row.action = "blocked by children";
  }
  if (!for_real && row.action == kDelete) row.action = "would delete";
}

void SweepFlow::CorrectExpiry(const SweepBranchRow &row) {
  Session *session = desk_->world().FindSession(row.session_id);
  bool rests = session != nullptr && session->activity == Activity::kNone && session->row.settled &&
               session->row.branch_id == row.branch_id;
  if (!rests || current_->row.dry_run) return;
  // Somebody changed it at Neon, or our calendar was wrong when it was set. Saving the session sees
  // whether there is anything to do.
  session->row.branch_expires_at = row.expires_at;
  session->expiry_asked = 0;
  if (ExpiryDiffers(*session, desk_->unix_time())) desk_->Save(*session);
}

void SweepFlow::AdoptOrphan(Project &project, const SweepBranchRow &row) {
  KeptBranchRow orphan;
  orphan.project_id = project.row.id;
  orphan.branch_id = row.branch_id;
  orphan.name = row.name;
  orphan.kind = "orphan";
  project.kept[orphan.branch_id] = orphan;
  desk_->journal().Add(orphan);
}

SweepBranchRow SweepFlow::Describe(const Project &project, const NeonBranch &branch) const {
  SweepBranchRow row;
  row.sweep_id = current_->row.id;
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
  } else if (const Session *session = SessionOfBranch(desk_->world(), branch)) {
    row.session_id = session->row.id;
    row.class_name = IsDue(*session) ? "expired" : "live";
    if (IsDue(*session)) row.action = kDelete;
  } else if (kept != project.kept.end()) {
    row.session_id = kept->second.session_id;
    row.class_name = kept->second.kind;
    if (kept->second.keep_until <= desk_->unix_time()) row.action = kDelete;
  } else if (IsMadeBy(desk_->world().installations, branch)) {
    row.class_name = "orphan";  // and in no table
    if (!branch.untouchable()) row.action = kDelete;
  } else {
    row.class_name = "foreign";
  }
  return row;
}

void SweepFlow::AddGhosts(const Project &project, const std::vector<NeonBranch> &branches) {
  std::set<std::string> seen;
  for (const NeonBranch &branch : branches)
    seen.insert(branch.id);
  for (const auto &[id, session] : desk_->world().sessions) {
    const SessionRow &row = session->row;
    bool ghost = row.project_id == project.row.id && !row.branch_id.empty() &&
                 row.state != SessionState::kCreating && seen.count(row.branch_id) == 0;
    if (!ghost) continue;
    SweepBranchRow gone;
    gone.sweep_id = current_->row.id;
    gone.project_id = project.row.id;
    gone.branch_id = row.branch_id;
    gone.name = row.branch_name;
    gone.class_name = "ghost";
    gone.session_id = row.id;
    gone.action = "none";
    desk_->journal().Add(std::move(gone));
    if (IsDue(*session) && !current_->row.dry_run) Expire(*session);
  }
}

void SweepFlow::ExpireQueued(const Project &project) {
  if (current_->row.dry_run) return;
  for (const auto &[id, session] : desk_->world().sessions) {
    bool branchless =
        session->row.branch_id.empty() && (session->row.state == SessionState::kQueued ||
                                           session->row.state == SessionState::kFailed);
    if (session->row.project_id == project.row.id && branchless && IsDue(*session)) {
      Expire(*session);
    }
  }
}

void SweepFlow::Expire(Session &session) {
  current_->expiring.insert(session.row.id);
  expire_(session);
}

void SweepFlow::FinishIfDone() {
  if (!current_ || current_->asking || !current_->projects.empty()) return;
  for (int64_t id : current_->expiring) {
    const Session *session = desk_->world().FindSession(id);
    // One that is in trouble must not hold up the sweep; its own row tells of it.
    bool waits = session != nullptr && !session->row.finished && session->row.error.empty();
    if (waits) return;
  }
  current_->row.finished = true;
  desk_->journal().Add(current_->row);
  current_.reset();
}

}  // namespace agent_branch
