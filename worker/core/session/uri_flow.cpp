// The part of CreateFlow that fetches connection URIs.
#include <utility>

#include "worker/core/session/create_flow.hpp"

namespace agent_branch {
namespace {

Status NoUri(const Project &project, const ApiAnswer &answer) {
  if (answer.verdict.kind != VerdictKind::kNotFound) return answer.verdict.why;
  return Status::Error("42704",
                       "Neon knows no connection for role \"" + project.row.role +
                           "\" to database \"" + project.row.database + "\"",
                       answer.verdict.why.detail(),
                       "Register the project with a database and role that the parent has.");
}

}  // namespace

bool CreateFlow::FetchedByAnother(const Session &session) {
  int64_t by = desk_->ProjectOf(session).parent_uris_by;
  const Session *other = by == session.row.id ? nullptr : desk_->world().FindSession(by);
  return other != nullptr && other->activity == Activity::kCall;
}

bool CreateFlow::HaveUris(Session &session) {
  Project &project = desk_->ProjectOf(session);
  if (session.uri.empty()) {
    FetchUri(session, false);
  } else if (session.pooled_uri.empty()) {
    FetchUri(session, true);
  } else if (project.parent_uri.empty() && !FetchedByAnother(session)) {
    FetchParentUri(session, false);
  } else if (project.parent_pooled_uri.empty() && !FetchedByAnother(session)) {
    FetchParentUri(session, true);
  } else {
    return true;
  }
  return false;
}

void CreateFlow::SaveUri(Session &session, bool pooled, Secret uri) {
  (pooled ? session.pooled_uri : session.uri) = uri;
  desk_->journal().Add(
      CredentialRow{session.row.project_id, session.row.id, pooled, std::move(uri)});
}

void CreateFlow::FetchUri(Session &session, bool pooled) {
  const Project &project = desk_->ProjectOf(session);
  NeonRequest request = ConnectionUriRequest(project.row.neon_id, session.row.branch_id,
                                             project.row.database, project.row.role, pooled);
  desk_->Ask(session, Priority::kCreate, std::move(request),
             [this, pooled](Session &asked, const ApiAnswer &answer) {
               if (answer.verdict.kind != VerdictKind::kDone) {
                 desk_->TryAgainIfBranchExists(asked, NoUri(desk_->ProjectOf(asked), answer));
                 return;
               }
               Result<Secret> uri = ParseConnectionUri(answer.body);
               if (!uri.ok()) {
                 desk_->TryAgain(asked, uri.status());
                 return;
               }
               SaveUri(asked, pooled, std::move(uri.value()));
             });
}

void CreateFlow::FetchParentUri(Session &session, bool pooled) {
  Project &project = desk_->ProjectOf(session);
  project.parent_uris_by = session.row.id;
  NeonRequest request = ConnectionUriRequest(project.row.neon_id, session.row.parent_branch_id,
                                             project.row.database, project.row.role, pooled);
  desk_->Ask(session, Priority::kCreate, std::move(request),
             [this, pooled](Session &asked, const ApiAnswer &answer) {
               Project &owner = desk_->ProjectOf(asked);
               owner.parent_uris_by = 0;
               Result<Secret> uri = ParseConnectionUri(answer.body);
               if (answer.verdict.kind != VerdictKind::kDone || !uri.ok()) {
                 desk_->TryAgain(asked, NoUri(owner, answer));
                 return;
               }
               (pooled ? owner.parent_pooled_uri : owner.parent_uri) = uri.value();
               desk_->journal().Add(CredentialRow{owner.row.id, 0, pooled, uri.value()});
             });
}

}  // namespace agent_branch
