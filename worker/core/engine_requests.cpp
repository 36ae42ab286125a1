// The part of Engine that hands what was asked for to whom it concerns.
#include <algorithm>
#include <utility>

#include "worker/core/engine.hpp"

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

}  // namespace agent_branch
