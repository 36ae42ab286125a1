// The part of Engine that takes up, at its start, what the tables hold.
#include <utility>

#include "worker/core/engine.hpp"

namespace agent_branch {
void Engine::LoadProject(const ProjectRow &row) {
  auto [found, added] = inventory_.projects.try_emplace(row.id);
  if (added) {
    found->second = std::make_unique<Project>();
    Project *project = found->second.get();
    project->row = row;
    project->sweeper = std::make_unique<UpkeepActor>(
        &scheduler_, row.id, [this, project] { return sweep_.Next(*project); });
    project->deleter = std::make_unique<UpkeepActor>(
        &scheduler_, row.id, [this, project] { return kept_.Next(*project); });
    project->suspender = std::make_unique<UpkeepActor>(
        &scheduler_, row.id, [this, project] { return suspend_.Next(*project); });
    project->sweeper->Wake();
    project->deleter->Wake();
    return;
  }
  Project &project = *found->second;
  const bool same_parent = project.row.parent == row.parent &&
                           project.row.database == row.database && project.row.role == row.role;
  const bool same_key = project.row.api_key_file == row.api_key_file;
  project.row = row;
  if (!same_key) calls_.OnKeyFile(project);
  project.OfferPlace();
  if (!same_parent) uris_.DropParents(project);
}

void Engine::LoadSession(const SessionRow &row) {
  if (inventory_.FindProject(row.project_id) == nullptr) return;
  auto [found, added] = inventory_.sessions.try_emplace(row.id);
  if (!added) return;
  found->second = std::make_unique<Session>(&scheduler_, this);
  Session &session = *found->second;
  session.row = row;
  inventory_.Index(session);
  session.Wake();
}

void Engine::LoadMigration(const MigrationRow &row) {
  Session *session = inventory_.FindSession(row.session_id);
  if (session == nullptr) return;
  auto same = [&](const MigrationRow &known) { return known.id == row.id; };
  auto &migrations = session->migrations;
  if (std::any_of(migrations.begin(), migrations.end(), same)) return;
  auto behind = std::find_if(migrations.begin(), migrations.end(), [&](const MigrationRow &known) {
    return known.ordinal > row.ordinal;
  });
  migrations.insert(behind, row);
}

void Engine::LoadMerge(const MergeRow &row) {
  Session *session = inventory_.FindSession(row.session_id);
  if (session == nullptr) return;
  session->merge = row;
  context_.ProjectOf(*session).merge_queue[row.id] = row.session_id;
}

void Engine::LoadUndo(const UndoRow &row) {
  Session *session = inventory_.FindSession(row.session_id);
  if (session == nullptr) return;
  session->undo = row;
  context_.ProjectOf(*session).merge_queue[row.id] = row.session_id;
}

void Engine::LoadStep(const StepRow &step) {
  if (IsDoneAgain(step.kind)) {
    journal_.Record(step, false, "outcome unknown; it is done again if need be");
    return;
  }
  if (Session *session = inventory_.FindSession(step.session_id)) {
    // A restore may be waited for while the branch's expiry is set; only that can be done again.
    const auto merges = [](const StepRow &one) {
      return one.kind == StepKind::kRestore || one.kind == StepKind::kReplay ||
             one.kind == StepKind::kUndo;
    };
    if (session->step && merges(*session->step) && !merges(step)) {
      journal_.Record(step, false, "outcome unknown; it is done again");
      return;
    }
    if (session->step) journal_.Record(*session->step, false, "superseded");
    session->step = step;
    session->uncertain = true;
    return;
  }
  // On a project's own behalf: its upkeep finds out what became of it.
  Project *project = inventory_.FindProject(step.project_id);
  UpkeepActor *actor = nullptr;
  if (project != nullptr) {
    const bool suspends = step.kind == StepKind::kSuspendCompute;
    actor = suspends ? project->suspender.get() : project->deleter.get();
  }
  if (actor == nullptr || actor->step) {
    journal_.Record(step, false, "outcome unknown; looked at again");
    return;
  }
  actor->step = step;
  actor->uncertain = true;
  project->delete_kept_wanted = true;
  if (step.kind != StepKind::kSuspendCompute) return;
  // Whoever needed the compute's place may be gone: what was begun for him ends all the same.
  project->suspend_wanted = true;
  actor->Wake();
}

void Engine::LoadCredential(const CredentialRow &row) {
  BranchUris *uris = nullptr;
  if (Session *session = inventory_.FindSession(row.session_id)) {
    const bool agents = row.access.empty() && ConnectionUris::HasOwnRole(*session);
    if (session->row.branch_id == row.branch_id)
      uris = agents ? &session->agent_uris : &session->uris;
  } else if (row.session_id == 0) {
    Project *project = inventory_.FindProject(row.project_id);
    if (project != nullptr)
      uris = row.access == "reader" ? &project->reader_uris : &project->parent_uris;
  }
  // What is of a branch that is not known is asked for again.
  if (uris == nullptr || row.branch_id.empty()) return;
  uris->branch_id = row.branch_id;
  (row.pooled ? uris->pooled : uris->direct) = row.uri;
}

}  // namespace agent_branch
