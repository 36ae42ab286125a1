#include "worker/core/session/reader_role.hpp"

#include <utility>

#include "worker/core/base/password.hpp"
#include "worker/core/merge/standpoint.hpp"
#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {
namespace {

// As long as the name of a role of a session; the letters and digits of a uuid.
std::string ReaderName(const std::string &installation_id) {
  std::string name(kReaderRolePrefix);
  for (char c : installation_id) {
    if (c != '-') name += c;
  }
  return name;
}

bool MayNot(const BranchEvent &event) {
  const std::string &sqlstate = event.server_error.sqlstate;
  return sqlstate == "42501" || sqlstate == "0LP01";
}

// Says, when a flow that makes the role ends in whatever way, that nobody does any more.
class Making {
 public:
  explicit Making(Project *project) : project_(project) { project_->fetching_parent_uris = true; }
  ~Making() {
    project_->fetching_parent_uris = false;
    project_->parent_uris_fetched.NotifyAll();
  }
  Making(const Making &) = delete;
  Making &operator=(const Making &) = delete;

 private:
  Project *project_;
};

}  // namespace

bool ReaderRole::IsWanted(const Session &session) {
  const Project &project = context_->ProjectOf(session);
  const std::string &parent_id = session.row.parent_branch_id;
  return project.row.reads_parent && project.no_reader.empty() && !parent_id.empty() &&
         project.parent_uris.complete_for(parent_id) &&
         !project.reader_uris.complete_for(parent_id);
}

Flow<std::optional<BranchEvent>> ReaderRole::Make(Session &session) {
  Project &project = context_->ProjectOf(session);
  while (IsWanted(session) && project.fetching_parent_uris) {
    co_await ConditionWait(&session, &project.parent_uris_fetched,
                           "another session to make the role that reads the parent");
  }
  if (!IsWanted(session)) co_return std::nullopt;
  Making making(&project);
  const std::string parent_id = session.row.parent_branch_id;
  const std::string role = ReaderName(context_->inventory().installation_id);
  const Secret password = NewPassword();
  BranchUris uris{parent_id, WithLogin(project.parent_uris.direct, role, password),
                  WithLogin(project.parent_uris.pooled, role, password)};
  BranchEvent made = co_await MakeWith(session, password);
  if (made.outcome == BranchOutcome::kNotRun) co_return made;
  if (project.parent_uris.branch_id != parent_id) co_return std::nullopt;
  if (made.outcome != BranchOutcome::kDone || !uris.complete_for(parent_id)) {
    // Empty URIs: that there is no such role, for whoever asks for it.
    project.no_reader = made.error.message().empty() ? "not made" : made.error.message();
    uris = {parent_id, {}, {}};
  }
  project.reader_uris = uris;
  for (const bool pooled : {false, true}) {
    context_->journal().Add(CredentialRow{project.row.id, 0, pooled,
                                          pooled ? uris.pooled : uris.direct, parent_id, "reader"});
  }
  // The forks that are noted are in the database then.
  co_await context_->Commit(session);
  if (made.outcome == BranchOutcome::kDone) NoteOwnWrite(project, made.answer);
  co_return std::nullopt;
}

Flow<bool> ReaderRole::KeepOnBranch(Session &session) {
  Project &project = context_->ProjectOf(session);
  if (!project.reader_uris.complete_for(session.row.parent_branch_id)) co_return true;
  BranchTask task;
  task.kind = BranchTaskKind::kMakeRole;
  task.login_role = ReaderName(context_->inventory().installation_id);
  task.password = PasswordIn(project.reader_uris.direct);
  task.only_reads = true;
  const std::string role = task.login_role;
  co_await context_->IntendAndCommit(session, StepKind::kMakeRole, role);
  BranchEvent event = co_await context_->RunOnBranch(session, std::move(task),
                                                     "the branch to know the role that reads");
  const bool done = event.outcome == BranchOutcome::kDone;
  context_->CloseStep(session, done, done ? std::string() : event.error.message());
  context_->Save(session);
  co_return event.outcome != BranchOutcome::kNotRun;
}

Flow<BranchEvent> ReaderRole::MakeWith(Session &session, Secret password) {
  BranchEvent event;
  for (const bool clear : {false, true}) {
    const Project &project = context_->ProjectOf(session);
    BranchTask task;
    task.kind = BranchTaskKind::kMakeRole;
    task.connection_key = project.parent_connection_key();
    task.uri = project.parent_uris.direct;
    task.login_role = ReaderName(context_->inventory().installation_id);
    task.password = password;
    task.only_reads = true;
    task.clear_password = clear;
    const std::string target = session.row.parent_branch_id;
    co_await context_->IntendAndCommit(session, StepKind::kMakeRole, target);
    event = co_await context_->Run(session, context_->ProjectOf(session), std::move(task),
                                   "the parent to make a role that reads it");
    const bool done = event.outcome == BranchOutcome::kDone;
    context_->CloseStep(session, done, done ? std::string() : event.error.message());
    context_->Save(session);
    if (event.outcome != BranchOutcome::kRejected || MayNot(event)) co_return event;
  }
  co_return event;
}

void ReaderRole::NoteOwnWrite(const Project &project, const std::string &transaction_id) {
  for (const auto &[id, session] : project.sessions) {
    Result<ForkRow> fork = context_->store().Fork(id);
    if (!fork.ok() || fork->parent.empty()) continue;
    const std::string stood = MovedOn(fork->parent, transaction_id);
    if (stood != fork->parent) context_->journal().Add(ForkRow{id, false, stood, {}});
  }
}

}  // namespace agent_branch
