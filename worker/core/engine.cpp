#include "worker/core/engine.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {}  // namespace

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

void Engine::OnHttp(const HttpCompletion &completion) {
  if (ModelCalls::Owns(completion.id)) {
    models_.OnCompletion(completion);
  } else {
    calls_.OnCompletion(completion);
  }
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
