#include "worker/core/engine.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/timestamp.hpp"

namespace agent_branch {
namespace {

MergeRow MakeMerge(const RequestRow &request) {
  MergeRow merge;
  merge.id = request.id;
  merge.session_id = request.session_id;
  merge.strategy = request.strategy;
  merge.on_drift = request.on_drift;
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

bool IsGivenUp(const Session &session) {
  return session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire;
}

}  // namespace

Engine::Engine(Parts parts, const StoreSnapshot &snapshot)
    : parts_(parts),
      journal_(snapshot.last_step_id),
      calls_({parts.http, &journal_, parts.keys, parts.budgets, parts.clock, parts.random,
              parts.settings}),
      operations_(&calls_, parts.clock),
      models_({parts.http, parts.keys, parts.clock, parts.settings}),
      desk_({&world_, &journal_, &calls_, &operations_, &models_, parts.branches, parts.store,
             parts.clock, parts.random, parts.settings}),
      admission_(&desk_, [this](Session &session) { remove_.Finish(session); }),
      create_(&desk_, &admission_),
      fix_({&desk_, &models_, parts.fixes, parts.trees, parts.keys,
            [this](Session &session, const ServerError &error) {
              migrate_.GiveUpRepair(session, error);
            }}),
      migrate_(&desk_, &create_, parts.scripts, &fix_),
      merge_(&desk_, &create_, &admission_),
      remove_(&desk_),
      retire_(&desk_),
      suspend_(&desk_),
      sweep_(&desk_, [this](Session &session) { GiveUp(session, Goal::kExpire); }),
      waits_(&desk_, &admission_) {
  calls_.on_sent = [this](int64_t id) {
    if (Session *session = world_.FindSession(id)) ++session->row.api_calls;
  };
  world_.installation_id = snapshot.installation_id;
  world_.installations.insert(snapshot.former_installations.begin(),
                              snapshot.former_installations.end());
  world_.installations.insert(snapshot.installation_id);
  for (const ProjectRow &row : snapshot.projects)
    LoadProject(row);
  for (const SessionRow &row : snapshot.sessions)
    LoadSession(row);
  for (const MigrationRow &row : snapshot.migrations)
    LoadMigration(row);
  for (const MergeRow &row : snapshot.merges) {
    if (Session *session = world_.FindSession(row.session_id)) session->merge = row;
  }
  for (const StepRow &step : snapshot.steps) {
    Session *session = world_.FindSession(step.session_id);
    if (session == nullptr) {
      // Of a finished session: a kept branch's deletion, which the next pass looks at.
      journal_.Record(step, false, "outcome unknown; looked at again");
      continue;
    }
    // A restore may be waited for while the branch's expiry is set; only that can be done again.
    bool restoring = session->step && session->step->kind == StepKind::kRestore;
    if (restoring && step.kind != StepKind::kRestore) {
      journal_.Record(step, false, "outcome unknown; it is done again");
      continue;
    }
    if (session->step) journal_.Record(*session->step, false, "superseded");
    session->step = step;
    session->uncertain = true;
  }
  for (const KeptBranchRow &row : snapshot.kept) {
    Project *project = world_.FindProject(row.project_id);
    if (project == nullptr) continue;
    project->kept[row.branch_id] = row;
    project->retire_wanted = true;
  }
  for (const CredentialRow &row : snapshot.credentials) {
    if (Session *session = world_.FindSession(row.session_id)) {
      (row.pooled ? session->pooled_uri : session->uri) = row.uri;
    } else if (Project *project =
                   row.session_id == 0 ? world_.FindProject(row.project_id) : nullptr) {
      (row.pooled ? project->parent_pooled_uri : project->parent_uri) = row.uri;
    }
  }
  for (const SweepRow &row : snapshot.sweeps)
    sweep_.Add(row);
}

void Engine::LoadProject(const ProjectRow &row) {
  auto [found, added] = world_.projects.try_emplace(row.id);
  if (added) found->second = std::make_unique<Project>();
  Project &project = *found->second;
  bool same_parent = project.row.parent == row.parent && project.row.database == row.database &&
                     project.row.role == row.role;
  project.row = row;
  if (added || same_parent) return;
  project.parent_uri = Secret();
  project.parent_pooled_uri = Secret();
  journal_.Add(DropCredentials{row.id, 0});
}

void Engine::LoadSession(const SessionRow &row) {
  auto [found, added] = world_.sessions.try_emplace(row.id);
  if (!added) return;
  found->second = std::make_unique<Session>();
  found->second->row = row;
  desk_.Resume(*found->second);
}

void Engine::LoadMigration(const MigrationRow &row) {
  Session *session = world_.FindSession(row.session_id);
  if (session == nullptr) return;
  auto same = [&](const MigrationRow &known) { return known.id == row.id; };
  auto &migrations = session->migrations;
  if (std::any_of(migrations.begin(), migrations.end(), same)) return;
  migrations.push_back(row);
  std::sort(migrations.begin(), migrations.end(),
            [](const auto &a, const auto &b) { return a.ordinal < b.ordinal; });
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
  if (!taken_requests_.insert(request.id).second) return;
  journal_.Add(DropRequest{request.id});
  journal_.AfterCommit([this, id = request.id] { taken_requests_.erase(id); });
  if (request.kind == "take over") {
    reload_wanted_ = true;
    return;
  }
  if (request.kind == "reap") {
    for (const SweepRow &sweep : intake.sweeps) {
      if (sweep.id == request.subject_id) sweep_.Add(sweep);
    }
    return;
  }
  Session *session = world_.FindSession(request.session_id);
  // It may have failed to get a branch since the caller looked.
  bool nowhere = session != nullptr && session->row.state == SessionState::kFailed &&
                 (session->row.branch_id.empty() || session->branch_gone);
  bool migrates_nowhere = nowhere && request.kind == "migrate";
  if (session == nullptr || session->row.finished || migrates_nowhere) {
    TurnAway(request, intake);
    return;
  }
  if (request.kind == "migrate") {
    TakeMigration(request, intake);
  } else if (request.kind == "merge") {
    AskMerge(*session, request);
  } else if (request.kind == "discard") {
    GiveUp(*session, Goal::kDiscard);
  } else if (request.kind == "extend") {
    session->row.expires_at = request.expires_at;
    session->expiry_asked = 0;
  }
  desk_.Save(*session);
  if (session->activity == Activity::kNone) desk_.Resume(*session);
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
  session.merge_phase = MergePhase::kCheck;
  session.merge_fence.clear();
  session.backup_lookups = 0;
  session.row.goal = Goal::kMerge;
}

void Engine::GiveUp(Session &session, Goal goal) {
  if (session.row.finished || IsFinal(session.row.state)) return;
  if (session.row.state == SessionState::kDiscarding) return;
  if (session.row.state == SessionState::kMerging && !merge_.MayInterrupt(session)) {
    // Too late to stop it; should it not succeed, this is what comes next.
    session.row.goal = goal;
    desk_.Save(session);
    return;
  }
  if (session.merge && session.row.state != SessionState::kMerging) {
    session.merge->status = "cancelled";
    session.merge->reason = "the session was given up";
    journal_.Add(*session.merge);
    session.merge.reset();
  }
  session.row.goal = goal;
  desk_.Save(session);
  desk_.Interrupt(session);
}

void Engine::WakePaused() {
  Instant now = parts_.clock->Now();
  for (const auto &[id, session] : world_.sessions) {
    if (session->activity == Activity::kPause && session->wake_at <= now) desk_.Resume(*session);
  }
}

void Engine::Advance() {
  // Bounded: what can still move after so many rounds moves in the next turn.
  constexpr int kRounds = 20;
  WakePaused();
  for (int round = 0; round < kRounds; ++round) {
    admission_.Advance();
    std::set<int64_t> runnable = desk_.TakeRunnable();
    if (runnable.empty()) break;
    for (int64_t id : runnable) {
      Session *session = world_.FindSession(id);
      if (session != nullptr && session->activity == Activity::kNone) Drive(*session);
    }
  }
  retire_.Advance();
  suspend_.Advance();
  sweep_.Advance();
  operations_.Advance();
  calls_.Dispatch();
  models_.Dispatch();
  waits_.Advance();
}

void Engine::Drive(Session &session) {
  if (session.row.finished) return;
  switch (session.row.state) {
    case SessionState::kQueued:
      return;  // Admission looks after it
    case SessionState::kCreating:
      create_.Drive(session);
      return;
    case SessionState::kReady:
    case SessionState::kConflict:
    case SessionState::kFailed:
      DriveResting(session);
      return;
    case SessionState::kMigrating:
      // A crash of the server takes the URIs away, also from sessions in this state.
      if (!session.uri.empty() || IsGivenUp(session) || create_.HaveUris(session)) {
        migrate_.Drive(session);
      }
      return;
    case SessionState::kMerging:
      merge_.Drive(session);
      return;
    case SessionState::kMerged:
    case SessionState::kDiscarding:
      remove_.Drive(session);
      return;
    case SessionState::kDiscarded:
    case SessionState::kExpired:
      remove_.Finish(session);
      return;
  }
}

void Engine::DriveResting(Session &session) {
  if (session.uncertain) {
    // Only an expiry is changed in these states, and changing it again does no harm.
    desk_.CloseStep(session, false, "outcome unknown; it is done again");
    session.expiry_asked = 0;
    desk_.Save(session);
  }
  bool has_branch = !session.row.branch_id.empty() && !session.branch_gone;
  if (IsGivenUp(session)) {
    desk_.MoveTo(session, SessionState::kDiscarding);
  } else if (has_branch && !create_.HaveUris(session)) {
    return;
  } else if (!session.migrations.empty()) {
    desk_.MoveTo(session, SessionState::kMigrating);
  } else if (session.row.goal == Goal::kMerge) {
    desk_.MoveTo(session, SessionState::kMerging);
  } else if (has_branch && ExpiryDiffers(session, parts_.clock->UnixTime())) {
    SetExpiry(session);
  } else {
    // What was in trouble in this state is over.
    session.failures = 0;
    desk_.ShowTrouble(session, Status());
    if (!session.row.settled) desk_.Save(session);
  }
}

void Engine::SetExpiry(Session &session) {
  session.expiry_asked = session.row.expires_at;
  const Project &project = desk_.ProjectOf(session);
  std::string expires_at = FormatTimestamp(session.row.expires_at);
  desk_.Change(session, Priority::kCleanup,
               SetExpiryRequest(project.row.neon_id, session.row.branch_id, expires_at),
               StepKind::kSetExpiry, session.row.branch_id,
               [this](Session &asked, const ApiAnswer &answer) {
                 if (answer.verdict.kind == VerdictKind::kDone) {
                   Result<NeonChange> change = ParseChange(answer.body);
                   // What Neon says is what counts: it may keep another one, or none.
                   if (change.ok()) {
                     asked.row.branch_expires_at = ParseTimestamp(change->branch.expires_at);
                   }
                 } else if (answer.verdict.kind != VerdictKind::kRefused) {
                   asked.expiry_asked = 0;
                   desk_.TryAgainIfBranchExists(asked, answer.verdict.why);
                 }
                 desk_.Save(asked);
               });
}

std::optional<Instant> Engine::NextDeadline() const {
  std::optional<Instant> next;
  auto consider = [&next](std::optional<Instant> when) {
    if (when && (!next || *when < *next)) next = when;
  };
  for (const auto &[id, session] : world_.sessions) {
    if (session->activity == Activity::kPause) consider(session->wake_at);
  }
  consider(calls_.NextDeadline());
  consider(operations_.NextDeadline());
  consider(admission_.NextDeadline());
  consider(retire_.NextDeadline());
  consider(suspend_.NextDeadline());
  consider(sweep_.NextDeadline());
  consider(waits_.NextDeadline());
  return next;
}

Engine::Load Engine::CurrentLoad() const {
  Load load;
  load.sessions = world_.sessions.size();
  for (const auto &[id, session] : world_.sessions) {
    if (session->row.state == SessionState::kQueued) ++load.waiting;
  }
  load.calls_waiting = calls_.waiting();
  load.calls_under_way = calls_.under_way();
  load.calls_total = calls_.sent_total();
  load.call_budget = calls_.budget_left();
  return load;
}

}  // namespace agent_branch
