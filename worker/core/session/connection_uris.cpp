#include "worker/core/session/connection_uris.hpp"

#include <utility>

namespace agent_branch {
namespace {

// Failures to connect in a row before the URI is suspected: a compute that starts refuses some.
constexpr int kFailuresBeforeAsking = 3;

Status NoUri(const Project &project, const ResponseClass &classified) {
  if (classified.kind != ResponseKind::kNotFound) return classified.why;
  return Status::Error("42704",
                       "Neon knows no connection for role \"" + project.row.role +
                           "\" to database \"" + project.row.database + "\"",
                       classified.why.detail(),
                       "Register the project with a database and role that the parent has.");
}

bool RefusesLogin(const std::string &sqlstate) {
  return sqlstate.rfind("28", 0) == 0 || sqlstate == "3D000";
}

// Says, when a flow that fetches ends in whatever way, that nobody does any more.
class Fetching {
 public:
  explicit Fetching(Project *project) : project_(project) { project_->fetching_parent_uris = true; }
  ~Fetching() {
    project_->fetching_parent_uris = false;
    project_->parent_uris_fetched.NotifyAll();
  }
  Fetching(const Fetching &) = delete;
  Fetching &operator=(const Fetching &) = delete;

 private:
  Project *project_;
};

}  // namespace

bool MayBeTheUri(const BranchEvent &event) {
  if (event.outcome != BranchOutcome::kNotRun) {
    return RefusesLogin(event.server_error.sqlstate);
  }
  return RefusesLogin(event.error.sqlstate()) || RefusesLogin(event.server_error.sqlstate) ||
         event.error.sqlstate().rfind("08", 0) == 0;
}

Flow<Result<Secret>> ConnectionUris::Ask(Session &session, std::string branch_id, bool pooled) {
  const Project &project = context_->ProjectOf(session);
  NeonRequest request = ConnectionUriRequest(project.row.neon_id, branch_id, project.row.database,
                                             project.row.role, pooled);
  ApiAnswer answer = co_await context_->Ask(session, Priority::kCreate, std::move(request));
  if (answer.classified.kind != ResponseKind::kDone) co_return NoUri(project, answer.classified);
  co_return ParseConnectionUri(answer.body);
}

void ConnectionUris::Take(Session &session, bool pooled, Secret uri) {
  const std::string &branch_id = session.row.branch_id;
  if (session.uris.branch_id != branch_id) session.uris = {branch_id, {}, {}};
  (pooled ? session.uris.pooled : session.uris.direct) = uri;
  const bool workers = AreWorkersAlone(session);
  if (workers && session.agent_uris.branch_id == branch_id) {
    // Its compute may have another address now.
    Secret &known = pooled ? session.agent_uris.pooled : session.agent_uris.direct;
    Secret anew = WithLoginOf(uri, known);
    if (!anew.empty() && anew != known) {
      known = anew;
      context_->journal().Add(CredentialRow{
          session.row.project_id, session.row.id, pooled, std::move(anew), branch_id, {}});
    }
  }
  context_->journal().Add(CredentialRow{session.row.project_id, session.row.id, pooled,
                                        std::move(uri), branch_id, workers ? "worker" : ""});
}

// The parent's compute may have another address now.
void ConnectionUris::MoveReader(Project &project, bool pooled, const Secret &uri) {
  const std::string &parent_id = project.parent_uris.branch_id;
  if (!project.reader_uris.complete_for(parent_id)) return;
  Secret &known = pooled ? project.reader_uris.pooled : project.reader_uris.direct;
  Secret anew = WithLoginOf(uri, known);
  if (anew.empty() || anew == known) return;
  known = anew;
  context_->journal().Add(
      CredentialRow{project.row.id, 0, pooled, std::move(anew), parent_id, "reader"});
}

void ConnectionUris::DropReader(Project &project) {
  project.no_reader.clear();
  if (project.reader_uris.branch_id.empty()) return;
  project.reader_uris = {};
  context_->journal().Add(DropCredentials{project.row.id, 0, "reader"});
}

bool ConnectionUris::HasOwnRole(const Session &session) {
  return session.row.shared_role.empty() && !session.row.branch_id.empty() &&
         session.row.role_branch_id == session.row.branch_id;
}

bool ConnectionUris::AreWorkersAlone(const Session &session) const {
  if (!session.row.shared_role.empty()) return false;
  return HasOwnRole(session) || context_->ProjectOf(session).row.isolation != RoleIsolation::kOff;
}

Flow<Next> ConnectionUris::FetchOwn(Session &session) {
  for (const bool pooled : {false, true}) {
    const std::string branch_id = session.row.branch_id;
    if (session.uris.branch_id != branch_id) session.uris = {branch_id, {}, {}};
    const Secret &known = pooled ? session.uris.pooled : session.uris.direct;
    if (!known.empty()) continue;
    Result<Secret> uri = co_await Ask(session, branch_id, pooled);
    if (!uri.ok()) {
      Next next = co_await context_->AfterBranchFailure(session, uri.status());
      co_return next;
    }
    Take(session, pooled, std::move(uri.value()));
  }
  co_return Next::Look();
}

Flow<Next> ConnectionUris::FetchParents(Session &session, std::string parent_id) {
  Project &project = context_->ProjectOf(session);
  while (!project.parent_uris.complete_for(parent_id)) {
    if (project.fetching_parent_uris) {
      co_await ConditionWait(&session, &project.parent_uris_fetched,
                             "another session to fetch the parent's connection URIs");
      continue;
    }
    Fetching fetching(&project);
    if (project.parent_uris.branch_id != parent_id) {
      DropParents(project);
      project.parent_uris.branch_id = parent_id;
    }
    const bool pooled = !project.parent_uris.direct.empty();
    Result<Secret> uri = co_await Ask(session, parent_id, pooled);
    if (!uri.ok()) co_return Next::Again(uri.status());
    if (project.parent_uris.branch_id != parent_id) continue;
    (pooled ? project.parent_uris.pooled : project.parent_uris.direct) = uri.value();
    MoveReader(project, pooled, uri.value());
    context_->journal().Add(
        CredentialRow{project.row.id, 0, pooled, std::move(uri.value()), parent_id, {}});
  }
  co_return Next::Look();
}

Flow<Next> ConnectionUris::Fetch(Session &session) {
  const SessionState state = session.row.state;
  Next next = co_await FetchOwn(session);
  const bool goes_on =
      !next.fails() && session.row.state == state;  // it may fail without its branch
  if (!goes_on || session.row.parent_branch_id.empty()) co_return next;
  const std::string parent_id = session.row.parent_branch_id;
  next = co_await FetchParents(session, parent_id);
  co_return next;
}

Flow<Next> ConnectionUris::AfterConnectionFailure(Session &session, BranchEvent event) {
  const bool refused =
      RefusesLogin(event.error.sqlstate()) || RefusesLogin(event.server_error.sqlstate);
  const bool often = (session.failures + 1) % kFailuresBeforeAsking == 0;
  if (MayBeTheUri(event) && (refused || often)) DropOwn(session);
  Next next = co_await context_->AfterBranchFailure(session, event.error);
  co_return next;
}

void ConnectionUris::DropOwn(Session &session) {
  context_->branches().Close(session.connection_key());
  session.uris = {};
  context_->journal().Add(DropCredentials{session.row.project_id, session.row.id,
                                          AreWorkersAlone(session) ? "worker" : ""});
}

void ConnectionUris::DropAgents(Session &session) {
  if (!AreWorkersAlone(session)) return;
  session.agent_uris = {};
  context_->journal().Add(DropCredentials{session.row.project_id, session.row.id, ""});
}

void ConnectionUris::DropParents(Project &project) {
  context_->branches().Close(project.parent_connection_key());
  if (project.parent_uris.branch_id.empty()) return;
  project.parent_uris = {};
  context_->journal().Add(DropCredentials{project.row.id, 0, ""});
}

}  // namespace agent_branch
