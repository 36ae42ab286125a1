#include "worker/core/state/inventory.hpp"

namespace agent_branch {
namespace {

PlaceUse UseOf(const SessionRow &row) {
  const bool branchless = row.branch_id.empty() && row.state == SessionState::kFailed;
  if (row.state == SessionState::kQueued || branchless || row.finished) return PlaceUse::kNone;
  const bool creating = row.state == SessionState::kCreating && row.branch_id.empty();
  return creating ? PlaceUse::kCreating : PlaceUse::kPlace;
}

}  // namespace

void Project::OfferPlace() {
  if (queue.empty()) return;
  auto first = sessions.find(*queue.begin());
  if (first != sessions.end()) first->second->place_offered.NotifyAll();
}

void Project::Keep(const KeptBranchRow &branch) {
  Forget(branch.branch_id);
  kept[branch.branch_id] = branch;
  if (!branch.endpoint_id.empty()) ++awake;
}

void Project::Forget(const std::string &branch_id) {
  auto found = kept.find(branch_id);
  if (found == kept.end()) return;
  const bool was_awake = !found->second.endpoint_id.empty();
  kept.erase(found);
  if (!was_awake) return;
  --awake;
  OfferPlace();
}

void Inventory::Index(Session &session) {
  const SessionRow &row = session.row;
  sessions_by_uuid[row.uuid] = &session;
  // What a finished session left behind is a kept branch.
  const std::string branch_id = row.finished ? std::string() : row.branch_id;
  if (session.indexed_branch_id != branch_id) {
    if (!session.indexed_branch_id.empty()) sessions_by_branch.erase(session.indexed_branch_id);
    session.indexed_branch_id = branch_id;
    if (!branch_id.empty()) sessions_by_branch[branch_id] = &session;
  }
  Project *project = FindProject(row.project_id);
  if (project == nullptr) return;
  project->sessions[row.id] = &session;
  const bool waits = row.state == SessionState::kQueued && !row.finished;
  const bool waited = project->queue.count(row.id) > 0;
  if (waits && !waited) {
    project->queue.insert(row.id);
    ++queued;
  } else if (!waits && waited) {
    project->queue.erase(row.id);
    --queued;
    project->OfferPlace();
  }
  const PlaceUse use = UseOf(row);
  if (use == session.counted_as) return;
  if (session.counted_as != PlaceUse::kNone) --project->places;
  if (session.counted_as == PlaceUse::kCreating) --project->creating;
  if (use != PlaceUse::kNone) ++project->places;
  if (use == PlaceUse::kCreating) ++project->creating;
  session.counted_as = use;
  project->OfferPlace();
}

bool Project::IsWantedByUndo(const KeptBranchRow &branch) const {
  const auto session = sessions.find(branch.session_id);
  return branch.kind == "backup" && session != sessions.end() && session->second->undo;
}

void Inventory::Remove(int64_t session_id) {
  auto found = sessions.find(session_id);
  if (found == sessions.end()) return;
  Session &session = *found->second;
  session.row.finished = true;
  Index(session);
  sessions_by_uuid.erase(session.row.uuid);
  auto by_branch = sessions_by_branch.find(session.indexed_branch_id);
  if (by_branch != sessions_by_branch.end() && by_branch->second == &session)
    sessions_by_branch.erase(by_branch);
  if (Project *project = FindProject(session.row.project_id)) {
    project->sessions.erase(session_id);
    project->session_left.NotifyAll();
  }
  sessions.erase(found);
}

}  // namespace agent_branch
