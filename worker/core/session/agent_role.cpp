#include "worker/core/session/agent_role.hpp"

#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/base/password.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/merge/standpoint.hpp"
#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxReason = 500;

// The server is not able to answer now, or somebody is in the way.
bool IsPassing(const std::string &sqlstate) {
  const std::string kind = sqlstate.substr(0, 2);
  return kind == "40" || kind == "53" || kind == "55" || kind == "57" || kind == "58";
}

// 0A000: no verifier of a password could be made for it.
bool IsRefused(const BranchEvent &event) {
  if (event.outcome == BranchOutcome::kRejected) return !IsPassing(event.server_error.sqlstate);
  return event.outcome == BranchOutcome::kNotRun && event.error.sqlstate() == "0A000";
}

// The project's role may not, there is no such thing, or nobody can log in: so it will be with the
// next branch.
bool IsForGood(const std::string &sqlstate) {
  return sqlstate == "42501" || sqlstate == "0LP01" || sqlstate == "0A000" ||
         sqlstate.rfind("28", 0) == 0;
}

// It may be what a server says that wants to see passwords, as Neon's does.
bool MayWantClearPassword(const BranchEvent &event) {
  const std::string &sqlstate = event.server_error.sqlstate;
  return IsRefused(event) && sqlstate != "42501" && sqlstate != "0LP01";
}

// What a server said that was reached; a network that fails says nothing about the role.
bool RefusesLogin(const BranchEvent &event) {
  const std::string &sqlstate = event.error.sqlstate();
  return sqlstate.rfind("28", 0) == 0 || sqlstate == "42704" || sqlstate == "42501" ||
         sqlstate == "08P01";
}

bool ActsAs(const std::string &answer, const std::string &login, const std::string &role) {
  Result<JsonDocument> names = ParseJson(answer);
  return names.ok() && names->IsArray() && names->Size() == 2 && (*names)[0].IsString() &&
         (*names)[1].IsString() && (*names)[0].GetString() == login &&
         (*names)[1].GetString() == role;
}

Status NotIsolated(const Status &why) {
  return Status::Error(
      why.sqlstate(), "the branch's server lets no role of its own be made for the agent",
      why.message() + (why.detail().empty() ? "" : ": " + why.detail()),
      "Set option \"isolate_role\" of the project to false, or leave it out, and the agent works "
      "with the project's role.");
}

}  // namespace

bool AgentRole::IsWanted(const Session &session) {
  const SessionRow &row = session.row;
  const bool never_ready = row.state == SessionState::kFailed && row.base_fingerprint.empty();
  if (row.branch_id.empty() || session.branch_gone || session.given_up() || never_ready)
    return false;
  // While it is merged nobody works there: a candidate never has an agent.
  if (!row.shared_role.empty() || row.goal == Goal::kMerge) return false;
  if (ConnectionUris::HasOwnRole(session)) return !session.agent_uris.complete_for(row.branch_id);
  // That there is none is noted before the branch is handed out.
  return context_->ProjectOf(session).row.isolation != RoleIsolation::kOff ||
         row.state == SessionState::kCreating;
}

Flow<Next> AgentRole::Make(Session &session) {
  Project &project = context_->ProjectOf(session);
  if (project.row.isolation == RoleIsolation::kOff && !ConnectionUris::HasOwnRole(session)) {
    Share(session, "option \"isolate_role\" of the project is off");
    co_return Next::Look();
  }
  // Both in one place, a stand-in has them; a role there could log in to the parent.
  if (session.uris.direct == project.parent_uris.direct) {
    co_return Refuse(session, Status::Error("0A000", "the branch is reached where its parent is"));
  }
  const bool creates = session.row.state == SessionState::kCreating;
  if (creates && !project.no_logins.ok()) {
    const Status why = project.no_logins;
    co_return Refuse(session, why);
  }
  const std::string branch_id = session.row.branch_id;
  const std::string role = SessionRole(session.row);
  const Secret password = NewPassword();
  const BranchUris uris{branch_id, WithLogin(session.uris.direct, role, password),
                        WithLogin(session.uris.pooled, role, password)};
  if (password.empty() || !uris.complete_for(branch_id)) {
    co_return Refuse(session, Status::Error("0A000", "the branch's connection URI names no role"));
  }
  BranchEvent made = co_await MakeWith(session, password);
  if (made.outcome != BranchOutcome::kDone) {
    if (IsRefused(made)) {
      if (creates && IsForGood(made.error.sqlstate())) project.no_logins = made.error;
      co_return Refuse(session, made.error);
    }
    Next next = co_await uris_->AfterConnectionFailure(session, made);
    co_return next;
  }
  if (!project.logins_proven) {
    const LoginProof proof = co_await Prove(session, uris);
    if (!proof.trouble.ok()) co_return Next::Again(proof.trouble);
    if (!proof.refusal.ok()) {
      Result<std::optional<Status>> gone = co_await TakeAway(session);
      if (!gone.ok()) co_return Next::Again(gone.status());
      if (creates && IsForGood(proof.refusal.sqlstate())) project.no_logins = proof.refusal;
      co_return Refuse(session, proof.refusal);
    }
    project.logins_proven = true;
  }
  HandOut(session, uris, made.answer);
  co_return Next::Look();
}

Flow<BranchEvent> AgentRole::MakeWith(Session &session, Secret password) {
  BranchTask task;
  task.kind = BranchTaskKind::kMakeRole;
  task.login_role = SessionRole(session.row);
  task.password = std::move(password);
  BranchTask again = task;
  BranchEvent event = co_await RunStep(session, StepKind::kMakeRole, std::move(task),
                                       "the branch to make a role for the agent");
  if (!MayWantClearPassword(event)) co_return event;
  again.clear_password = true;
  event = co_await RunStep(session, StepKind::kMakeRole, std::move(again),
                           "the branch to make a role for the agent");
  co_return event;
}

Flow<BranchEvent> AgentRole::RunStep(Session &session, StepKind kind, BranchTask task,
                                     std::string what) {
  co_await context_->IntendAndCommit(session, kind, SessionRole(session.row));
  BranchEvent event = co_await context_->RunOnBranch(session, std::move(task), std::move(what));
  const bool done = event.outcome == BranchOutcome::kDone;
  context_->CloseStep(session, done, done ? std::string() : event.error.message());
  context_->Save(session);
  co_return event;
}

Flow<AgentRole::LoginProof> AgentRole::Prove(Session &session, BranchUris uris) {
  LoginProof direct = co_await ProveOne(session, uris.direct, false);
  const bool refused = !direct.refusal.ok() || !direct.trouble.ok();
  if (refused || uris.pooled == uris.direct) co_return direct;
  LoginProof pooled = co_await ProveOne(session, uris.pooled, true);
  // Whether the pooler can be reached is not what is asked here.
  pooled.trouble = Status();
  co_return pooled;
}

Flow<AgentRole::LoginProof> AgentRole::ProveOne(Session &session, Secret uri, bool pooled) {
  BranchTask task;
  task.kind = BranchTaskKind::kWhoAmI;
  const std::string key = session.connection_key() + (pooled ? ", pooled agent" : ", agent");
  task.connection_key = key;
  task.uri = std::move(uri);
  const Project &project = context_->ProjectOf(session);
  BranchEvent event =
      co_await context_->Run(session, project, std::move(task), "the agent's role to log in");
  context_->branches().Close(key);
  LoginProof proof;
  if (event.outcome == BranchOutcome::kRejected || RefusesLogin(event)) {
    proof.refusal = event.error;
  } else if (event.outcome != BranchOutcome::kDone) {
    proof.trouble = event.error;
  } else if (!ActsAs(event.answer, SessionRole(session.row), project.row.role)) {
    proof.refusal =
        Status::Error("0A000", "a role that logs in does not act as the project's role");
  }
  co_return proof;
}

void AgentRole::HandOut(Session &session, const BranchUris &uris,
                        const std::string &transaction_id) {
  session.agent_uris = uris;
  session.row.role_branch_id = uris.branch_id;
  for (const bool pooled : {false, true}) {
    context_->journal().Add(CredentialRow{session.row.project_id,
                                          session.row.id,
                                          pooled,
                                          pooled ? uris.pooled : uris.direct,
                                          uris.branch_id,
                                          {}});
  }
  // What the worker does on the branch is nobody's unrecorded work.
  Result<ForkRow> fork = context_->store().Fork(session.row.id);
  if (fork.ok() && !fork->branch.empty()) {
    const std::string stood = WithOwnTransaction(fork->branch, transaction_id);
    context_->journal().Add(ForkRow{session.row.id, false, {}, stood});
  }
  context_->Progress(session);
  context_->Save(session);
}

// Only before anybody works on the branch: later it may be the agent that took the project's role
// its right to make others, to be given that role's password.
Next AgentRole::Refuse(Session &session, const Status &why) {
  if (session.row.state != SessionState::kCreating) return Next::AgainSlowly(NotIsolated(why));
  if (context_->ProjectOf(session).row.isolation == RoleIsolation::kAlways)
    context_->Fail(session, NotIsolated(why));
  else
    Share(session, "the branch's server lets none be made: " + why.message());
  return Next::Look();
}

void AgentRole::Share(Session &session, const std::string &why) {
  const bool hand_out = uris_->AreWorkersAlone(session);
  session.agent_uris = {};
  session.row.role_branch_id.clear();
  session.row.shared_role = CleanText(why, kMaxReason);
  if (hand_out) {
    const BranchUris own = std::exchange(session.uris, {});
    context_->journal().Add(DropCredentials{session.row.project_id, session.row.id});
    if (!own.direct.empty()) uris_->Take(session, false, own.direct);
    if (!own.pooled.empty()) uris_->Take(session, true, own.pooled);
  }
  context_->Save(session);
}

Flow<Result<std::optional<Status>>> AgentRole::TakeAway(Session &session) {
  // Where none is known one may be there all the same, of a crash or of the agent's own making.
  if (!uris_->AreWorkersAlone(session)) co_return std::optional<Status>();
  Next fetched = co_await uris_->FetchOwn(session);
  if (fetched.fails()) co_return fetched.trouble;
  BranchTask task;
  task.kind = BranchTaskKind::kDropRoles;
  BranchEvent event = co_await RunStep(session, StepKind::kDropRole, std::move(task),
                                       "the branch to take the agent's role away");
  if (event.outcome == BranchOutcome::kRejected && !IsPassing(event.server_error.sqlstate)) {
    co_return std::optional<Status>(Status::Error(
        "55000", "the agent's role cannot be taken from the branch",
        event.error.message() + (event.error.detail().empty() ? "" : ": " + event.error.detail()),
        "Nothing was touched. Merge by another strategy, which leaves the branch "
        "behind with the role."));
  }
  if (event.outcome == BranchOutcome::kNotRun) {
    // The branch may be gone, and nobody else would find out.
    const BranchEvent copy = event;
    co_await uris_->AfterConnectionFailure(session, copy);
  }
  if (event.outcome != BranchOutcome::kDone) co_return event.error;
  uris_->DropAgents(session);
  session.row.role_branch_id.clear();
  context_->Save(session);
  co_return std::optional<Status>();
}

}  // namespace agent_branch
