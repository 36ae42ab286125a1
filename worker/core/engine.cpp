#include "worker/core/engine.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

MergeRow MakeMerge(const RequestRow &request) {
  MergeRow merge;
  merge.id = request.id;
  merge.session_id = request.session_id;
  merge.strategy = request.strategy;
  merge.on_drift = request.on_drift;
  merge.on_unrecorded = request.on_unrecorded;
  return merge;
}

// The migration with another text, of which nothing has run.
MigrationRow Renewed(const MigrationRow &row, int attempt) {
  MigrationRow renewed;
  renewed.id = row.id;
  renewed.session_id = row.session_id;
  renewed.ordinal = row.ordinal;
  renewed.attempt = attempt;
  return renewed;
}

}  // namespace

Engine::Engine(Services services, const StoreSnapshot &snapshot)
    : services_(services),
      scheduler_(services.clock),
      journal_(snapshot.last_step_id),
      calls_({services.http, &journal_, services.keys, services.budgets, services.clock,
              services.random, services.settings, services.observer}),
      operations_(&calls_, services.clock),
      models_({services.http, services.keys, services.clock, services.settings}),
      tasks_(services.branches),
      helpers_(services.helpers),
      context_({&inventory_, &journal_, &calls_, &operations_, &models_, &tasks_, &helpers_,
                services.scripts, services.branches, services.store, services.clock,
                services.random, services.settings}),
      uris_(&context_),
      admission_(&context_),
      create_(&context_, &admission_, &uris_),
      fix_({&context_, &uris_, services.fixes, services.trees, services.keys}),
      migrate_(&context_, &uris_, &fix_),
      rebase_(&context_, &uris_),
      merge_(&context_, &uris_, &admission_, &rebase_),
      preview_(&context_, &uris_, &admission_),
      undo_(&context_, &uris_, &admission_),
      end_(&context_),
      resting_(&context_, &uris_),
      kept_(&context_),
      suspend_(&context_),
      provision_(&context_, &scheduler_, services.provisions),
      sweep_(&context_, [this](Session &session) { GiveUp(session, Goal::kExpire); }),
      waits_(&inventory_, &journal_, services.clock) {
  scheduler_.observer = &waits_;
  calls_.on_sent = [this](int64_t id) {
    if (Session *session = inventory_.FindSession(id)) ++session->row.api_calls;
  };
  inventory_.installation_id = snapshot.installation_id;
  inventory_.installations.insert(snapshot.former_installations.begin(),
                                  snapshot.former_installations.end());
  inventory_.installations.insert(snapshot.installation_id);
  for (const ProjectRow &row : snapshot.projects)
    LoadProject(row);
  for (const SessionRow &row : snapshot.sessions)
    LoadSession(row);
  for (const MigrationRow &row : snapshot.migrations)
    LoadMigration(row);
  for (const MergeRow &row : snapshot.merges)
    LoadMerge(row);
  for (const RebaseRow &row : snapshot.rebases) {
    if (Session *session = inventory_.FindSession(row.session_id)) session->rebase = row;
  }
  for (const UndoRow &row : snapshot.undos)
    LoadUndo(row);
  for (const UndoPointRow &row : snapshot.undo_points) {
    if (Session *session = inventory_.FindSession(row.session_id)) session->undo_point = row;
  }
  for (const StepRow &step : snapshot.steps)
    LoadStep(step);
  for (const KeptBranchRow &row : snapshot.kept) {
    Project *project = inventory_.FindProject(row.project_id);
    if (project == nullptr) continue;
    project->Keep(row);
    project->delete_kept_wanted = true;
  }
  for (const CredentialRow &row : snapshot.credentials)
    LoadCredential(row);
  for (const SweepRow &row : snapshot.sweeps)
    sweep_.StartRun(row);
  provision_.Look();
}

Engine::~Engine() {
  scheduler_.observer = nullptr;
  inventory_.sessions.clear();
  provision_.End();
  for (const auto &[id, project] : inventory_.projects) {
    project->sweeper.reset();
    project->deleter.reset();
    project->suspender.reset();
  }
}

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

void Engine::OnHttp(const HttpCompletion &completion) {
  if (ModelCalls::Owns(completion.id)) {
    models_.OnCompletion(completion);
  } else {
    calls_.OnCompletion(completion);
  }
}

void Engine::OnRequests(const Intake &intake) {
  for (const ProjectRow &row : intake.projects)
    LoadProject(row);
  for (const SessionRow &row : intake.sessions)
    LoadSession(row);
  for (const RequestRow &request : intake.requests)
    Apply(request, intake);
}

void Engine::Apply(const RequestRow &request, const Intake &intake) {
  if (request.kind == "preview") {
    AskPreview(request);
    return;
  }
  if (reload_wanted_ || !taken_requests_.insert(request.id).second) return;
  LookAgain(request);
  Project *project = inventory_.FindProject(request.project_id);
  if (request.kind == "register" && project != nullptr) {
    project->no_logins = Status();
    project->no_reader.clear();
  }
  // Left for the engine that comes then.
  if (reload_wanted_ && request.kind == "discard") return;
  journal_.Add(DropRequest{request.id});
  journal_.AfterCommit([this, id = request.id] { taken_requests_.erase(id); });
  if (request.kind == "take over") {
    reload_wanted_ = true;
    return;
  }
  if (request.kind == "provision") {
    provision_.Look();
    return;
  }
  if (request.kind == "reap") {
    for (const SweepRow &sweep : intake.sweeps) {
      if (sweep.id == request.subject_id) sweep_.StartRun(sweep);
    }
    return;
  }
  if (request.kind == "undo") {
    AskUndo(request);
    return;
  }
  Session *session = inventory_.FindSession(request.session_id);
  // It may have failed to get a branch since the caller looked.
  bool nowhere = session != nullptr && session->row.state == SessionState::kFailed &&
                 (session->row.branch_id.empty() || session->branch_gone);
  bool migrates_nowhere = nowhere && request.kind == "migrate";
  if (session == nullptr || session->row.finished || migrates_nowhere) {
    TurnAway(request, intake);
    return;
  }
  // What is asked for goes before what is only looked at.
  if (!session->previews.empty() && session->at_home()) session->Interrupt();
  if (request.kind == "migrate") {
    TakeMigration(request, intake);
  } else if (request.kind == "merge") {
    AskMerge(*session, request);
  } else if (request.kind == "rebase") {
    AskRebase(*session);
  } else if (request.kind == "discard") {
    GiveUp(*session, Goal::kDiscard);
  } else if (request.kind == "rotate") {
    uris_.DropAgents(*session);
    session->row.role_branch_id.clear();
  } else if (request.kind == "extend") {
    session->row.expires_at = request.expires_at;
    session->expiry_asked = 0;
  }
  context_.Save(*session);
  if (session->at_rest()) session->Wake();
}

void Engine::SetAside(const Owner &owner, const Status &why) {
  calls_.SetAside(owner);
  if (Session *session = inventory_.FindSession(owner.session_id)) {
    // What is shown; the row in the table has it from the store.
    session->row.error = why.message();
    session->Stop();
    session->set_aside = true;
    return;
  }
  Project *project = owner.session_id == 0 ? inventory_.FindProject(owner.project_id) : nullptr;
  if (project == nullptr) return;
  constexpr milliseconds kUpkeepAgain{600'000};
  for (UpkeepActor *actor :
       {project->sweeper.get(), project->deleter.get(), project->suspender.get()}) {
    actor->Stop();
    actor->WakeAt(services_.clock->Now() + kUpkeepAgain);
  }
}

// What was set aside is read anew when what it suffered from may have been mended.
void Engine::LookAgain(const RequestRow &request) {
  if (request.kind != "register" && request.kind != "discard") return;
  for (const auto &[id, session] : inventory_.sessions) {
    const bool concerned = request.kind == "register"
                               ? session->row.project_id == request.project_id
                               : id == request.session_id;
    if (session->set_aside && concerned) reload_wanted_ = true;
  }
}

void Engine::TakeMigration(const RequestRow &request, const Intake &intake) {
  for (const MigrationRow &row : intake.migrations) {
    if (row.id != request.subject_id) continue;
    if (row.attempt == request.attempt) {
      LoadMigration(row);
      return;
    }
    const MigrationRow renewed = Renewed(row, request.attempt);
    journal_.Add(renewed);
    LoadMigration(renewed);
  }
}

void Engine::TurnAway(const RequestRow &request, const Intake &intake) {
  // The session ended between the caller's check and now; what was asked for ends with it. So it
  // does when there never was a branch.
  if (request.kind == "migrate") {
    for (MigrationRow row : intake.migrations) {
      if (row.id != request.subject_id) continue;
      if (row.attempt != request.attempt) row = Renewed(row, request.attempt);
      row.status = MigrationStatus::kCancelled;
      journal_.Add(row);
    }
  } else if (request.kind == "merge") {
    MergeRow merge = MakeMerge(request);
    merge.status = "cancelled";
    merge.reason = "the session had ended when the request was taken";
    journal_.Add(merge);
  }
}

void Engine::AskMerge(Session &session, const RequestRow &request) {
  MergeRow merge = MakeMerge(request);
  // The caller checked, but the session may have moved since.
  bool possible = !session.merge && session.row.goal == Goal::kNone &&
                  !IsFinal(session.row.state) && session.row.state != SessionState::kDiscarding &&
                  session.row.state != SessionState::kFailed;
  if (!possible) {
    merge.status = "cancelled";
    merge.reason = "the session was " + std::string(StateName(session.row.state)) +
                   " when the request was taken";
    journal_.Add(merge);
    return;
  }
  journal_.Add(merge);
  session.merge = merge;
  session.merge_work.reset();
  context_.ProjectOf(session).merge_queue[merge.id] = session.row.id;
  session.row.goal = Goal::kMerge;
}

void Engine::AskPreview(const RequestRow &request) {
  Session *session = inventory_.FindSession(request.session_id);
  if (reload_wanted_ || session == nullptr || session->row.finished || session->set_aside) {
    journal_.Add(
        PreviewRow{request.subject_id, request.session_id,
                   PreviewError(Status::Error("55000", "the session cannot be previewed", {},
                                              "agent_sessions shows what became of it."))});
    return;
  }
  session->previews[request.subject_id] = MakeMerge(request);
  // Nobody knows when its place comes.
  if (session->row.state == SessionState::kQueued) preview_.TurnAway(*session);
  if (session->at_rest()) session->Wake();
}

void Engine::AskRebase(Session &session) {
  // The caller checked, but the session may have moved since: it is then what the caller sees.
  const bool possible =
      !session.merge && !session.rebase && session.row.goal == Goal::kNone && session.at_home();
  if (possible) session.row.goal = Goal::kRebase;
}

void Engine::AskUndo(const RequestRow &request) {
  Session *session = inventory_.FindSession(request.session_id);
  // Its project is gone, or one was asked for in the same moment.
  if (session == nullptr || session->undo) return;
  UndoRow undo;
  undo.id = request.id;
  undo.merge_id = request.subject_id;
  undo.session_id = request.session_id;
  undo.forced = request.force;
  undo.requested_by = request.requested_by;
  journal_.Add(undo);
  LoadUndo(undo);
  context_.Save(*session);
  if (session->at_rest()) session->Wake();
}

void Engine::GiveUp(Session &session, Goal goal) {
  if (session.row.finished || IsFinal(session.row.state)) return;
  if (session.row.state == SessionState::kDiscarding) return;
  // What its owner asked for comes before what the clock asks for.
  if (session.row.goal != Goal::kDiscard) session.row.goal = goal;
  if (session.row.state == SessionState::kMerging && !merge_.MayBeGivenUp(session)) {
    // Too late to stop it; should it not succeed, this is what comes next.
    context_.Save(session);
    return;
  }
  if (session.merge && session.row.state != SessionState::kMerging) {
    session.merge->status = "cancelled";
    session.merge->reason = "the session was given up";
    journal_.Add(*session.merge);
    context_.LeaveMerge(session);
  }
  context_.Save(session);
  session.Interrupt();
}

Flow<> Engine::RunOnce(Session &session, Flow<agent_branch::Next> flow) {
  const agent_branch::Next next = co_await flow;
  if (next.fails()) co_await context_.WaitAfterFailure(session, next.trouble, next.slowly);
}

Flow<> Engine::Next(Session &session) {
  // Whoever asked while it came to its end is told, too.
  if (!session.previews.empty() && !session.at_home()) preview_.TurnAway(session);
  if (session.row.finished && !session.undo) {
    ended_.push_back(session.row.id);
    return {};
  }
  if (session.set_aside) return {};
  // A flow was ended while its step was open.
  if (session.step && IsDoneAgain(session.step->kind))
    context_.CloseStep(session, false, "outcome unknown; it is done again if need be");
  if (session.step) session.uncertain = true;
  if (session.row.finished) return RunOnce(session, undo_.Run(session));
  switch (session.row.state) {
    case SessionState::kQueued:
      if (session.given_up()) return RunOnce(session, end_.Run(session));
      return admission_.AwaitPlace(session);
    case SessionState::kCreating:
      return RunOnce(session, create_.Run(session));
    case SessionState::kReady:
    case SessionState::kConflict:
    case SessionState::kFailed: {
      if (RebaseFlow::IsWanted(session) && !context_.ProjectOf(session).row.paused)
        return RunOnce(session, rebase_.Run(session));
      Flow<agent_branch::Next> flow = resting_.Begin(session);
      if (flow.exists()) return RunOnce(session, std::move(flow));
      if (session.previews.empty() || !session.at_home()) return {};
      return RunOnce(session, preview_.Run(session));
    }
    case SessionState::kMigrating:
      return RunOnce(session, migrate_.Run(session));
    case SessionState::kMerging:
      return RunOnce(session, merge_.Run(session));
    case SessionState::kMerged:
    case SessionState::kDiscarding:
    case SessionState::kDiscarded:
    case SessionState::kExpired:
      break;
  }
  return RunOnce(session, end_.Run(session));
}

void Engine::OnInternalError(Session &session, const char *what) {
  context_.ShowTrouble(session,
                       Status::Error("XX000", "internal error: this must hold and does not", what,
                                     "It is tried again by itself; please report it."));
}

void Engine::RemoveEnded() {
  for (int64_t id : ended_)
    inventory_.Remove(id);
  ended_.clear();
}

void Engine::Reconfigure() {
  calls_.Reconfigure();
  sweep_.Reconfigure();
  for (const auto &[id, project] : inventory_.projects)
    project->OfferPlace();
}

void Engine::Advance() {
  // Bounded: what can still move after so many rounds moves in the next turn.
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds && scheduler_.RunOnce(); ++round)
    RemoveEnded();
  operations_.Advance();
  calls_.Dispatch();
  models_.Dispatch();
  waits_.Advance();
}

std::optional<Instant> Engine::NextDeadline() const {
  std::optional<Instant> next;
  auto consider = [&next](std::optional<Instant> when) {
    if (when && (!next || *when < *next)) next = when;
  };
  consider(scheduler_.NextDeadline());
  consider(calls_.NextDeadline());
  consider(operations_.NextDeadline());
  consider(waits_.NextDeadline());
  return next;
}

Engine::Load Engine::CurrentLoad() const {
  Load load;
  load.sessions = inventory_.sessions.size();
  load.waiting = static_cast<size_t>(inventory_.queued);
  load.calls_waiting = calls_.waiting();
  load.calls_under_way = calls_.under_way();
  load.calls_total = calls_.sent_total();
  load.call_budget = calls_.budget_left();
  return load;
}

}  // namespace agent_branch
