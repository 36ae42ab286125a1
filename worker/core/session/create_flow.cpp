#include "worker/core/session/create_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/timestamp.hpp"
#include "worker/core/neon/annotation.hpp"
#include "worker/core/neon/parent.hpp"

namespace agent_branch {
namespace {

// An expiry at Neon has to be in the future when the request arrives.
constexpr int64_t kShortestLife = 60;

constexpr char kUnknownVersion[] = "unknown";
constexpr size_t kMaxKnownVersions = 16;

// Which history of the parent the session's branch belongs to decides what its version is compared
// with.
void EnterHistory(Project &project, const Session &session) {
  std::string part = session.row.parent_branch_id + " " + session.row.parent_reset_at;
  if (project.history.count(part) > 0) return;
  project.known_versions.clear();
  project.history = {part};
}

Status NameTaken(const Session &session) {
  return Status::Error(
      "42710", "a branch named \"" + session.row.branch_name + "\" exists that is not ours",
      "Its annotation does not name this session, so it is neither used nor deleted.",
      "Discard the session and use another name, or delete or rename the branch at Neon.");
}

BranchSpecification Specify(const World &world, const Project &project, const Session &session,
                            int64_t now) {
  BranchSpecification branch;
  branch.parent_id = session.row.parent_branch_id;
  branch.name = session.row.branch_name;
  branch.expires_at = FormatTimestamp(std::max(session.row.expires_at, now + kShortestLife));
  branch.min_cu = session.row.min_cu.value_or(project.row.min_cu);
  branch.max_cu = std::max(branch.min_cu, session.row.max_cu.value_or(project.row.max_cu));
  branch.bare_compute = session.row.bare_compute;
  branch.annotation = Annotate(world.installation_id, session.row.uuid);
  return branch;
}

// Whether the branch was forked before the restore that its parent's state comes from. A restore
// moves the branches that are there below the backup.
bool IsOlderThanParent(const Session &session, const NeonBranch &branch) {
  if (branch.parent_id != session.row.parent_branch_id) return true;
  int64_t restored_at = ParseTimestamp(session.row.parent_reset_at);
  return restored_at != 0 && ParseTimestamp(branch.created_at) <= restored_at;
}

}  // namespace

void CreateFlow::Drive(Session &session) {
  if (session.uncertain) {
    Reconcile(session);
  } else if (session.row.goal == Goal::kDiscard || session.row.goal == Goal::kExpire) {
    desk_->MoveTo(session, SessionState::kDiscarding);
  } else if (session.row.branch_id.empty()) {
    if (session.parent_checked) {
      Create(session);
    } else {
      CheckParentBranch(session);
    }
  } else if (!session.row.operations.empty()) {
    desk_->ResumeOperations(
        session, [this](Session &waited, const auto &failed) { OnOperations(waited, failed); });
  } else if (session.row.endpoint_id.empty()) {
    // Adopted, so the answer that named its compute was lost.
    desk_->Ask(session, Priority::kCreate,
               ListEndpointsRequest(desk_->ProjectOf(session).row.neon_id, session.row.branch_id),
               [this](Session &asked, const ApiAnswer &answer) {
                 Result<std::string> endpoint = ParseReadWriteEndpoint(answer.body);
                 if (!endpoint.ok() || endpoint.value().empty()) {
                   desk_->TryAgainIfBranchExists(
                       asked, Status::Error("55000", "the branch has no compute"));
                   return;
                 }
                 asked.row.endpoint_id = endpoint.value();
                 desk_->Save(asked);
               });
  } else if (!HaveUris(session)) {
    return;
  } else if (session.row.base_fingerprint.empty()) {
    if (session.base_version.empty()) {
      TakeVersion(session);
    } else {
      TakeBase(session);
    }
  } else {
    desk_->MoveTo(session, SessionState::kReady);
  }
}

void CreateFlow::CheckParentBranch(Session &session) {
  const std::string &parent = desk_->ProjectOf(session).row.parent;
  desk_->FindBranch(session, Priority::kCreate, parent, [this](Session &asked, const auto &named) {
    if (!named.ok()) {
      desk_->TryAgain(asked, named.status());
      return;
    }
    Result<NeonBranch> found = CheckParent(desk_->ProjectOf(asked).row, named.value());
    if (!found.ok()) {
      desk_->TryAgain(asked, found.status());
      return;
    }
    asked.row.parent_branch_id = found->id;
    asked.row.parent_reset_at = found->last_reset_at;
    asked.parent_checked = true;
    desk_->ShowTrouble(asked, Status());
    desk_->Save(asked);
  });
}

void CreateFlow::Create(Session &session) {
  Project &project = desk_->ProjectOf(session);
  BranchSpecification branch = Specify(desk_->world(), project, session, desk_->unix_time());
  desk_->Change(session, Priority::kCreate, CreateBranchRequest(project.row.neon_id, branch),
                StepKind::kCreateBranch, branch.name,
                [this](Session &asked, const ApiAnswer &answer) { OnCreated(asked, answer); });
}

void CreateFlow::OnCreated(Session &session, const ApiAnswer &answer) {
  if (answer.verdict.kind != VerdictKind::kDone) {
    OnRefused(session, answer);
    return;
  }
  Result<NeonChange> created = ParseChange(answer.body);
  if (!created.ok() || created->branch.id.empty()) {
    // It was done, but what was done has to be looked up.
    session.uncertain = true;
    return;
  }
  desk_->ProjectOf(session).refusals = 0;
  session.row.branch_id = created->branch.id;
  session.row.endpoint_id = created->endpoint_id;
  session.row.branch_expires_at = ParseTimestamp(created->branch.expires_at);
  session.failures = 0;
  TakeUris(session, created.value());
  desk_->AwaitOperations(session, created->operations, [this](Session &waited, const auto &failed) {
    OnOperations(waited, failed);
  });
}

void CreateFlow::OnRefused(Session &session, const ApiAnswer &answer) {
  switch (answer.verdict.kind) {
    case VerdictKind::kExists:
      session.uncertain = true;
      return;
    case VerdictKind::kPlan:
      if (session.row.bare_compute) break;
      session.row.bare_compute = true;
      desk_->Save(session);
      return;
    case VerdictKind::kLimit:
      admission_->QueueAgain(session, answer.verdict.why);
      return;
    case VerdictKind::kNotFound:
      session.parent_checked = false;
      desk_->TryAgain(session, answer.verdict.why);
      return;
    default:
      break;
  }
  desk_->Fail(session, answer.verdict.why);
}

void CreateFlow::TakeUris(Session &session, const NeonChange &created) {
  const ProjectRow &project = desk_->ProjectOf(session).row;
  for (const NeonConnectionUri &uri : created.uris) {
    if (uri.database != project.database || uri.role != project.role) continue;
    SaveUri(session, false, uri.uri);
    Secret pooled = WithHost(uri.uri, uri.host, uri.pooler_host);
    if (!pooled.empty()) SaveUri(session, true, std::move(pooled));
    return;
  }
}

void CreateFlow::Reconcile(Session &session) {
  auto on_found = [this](Session &asked, const Result<std::vector<NeonBranch>> &named) {
    if (!named.ok()) {
      desk_->TryAgain(asked, named.status());
      return;
    }
    if (named->empty()) {
      // Should the lost request still arrive, the name makes the next one fail with 409, which
      // leads back here.
      desk_->CloseStep(asked, false, "no branch of that name exists");
      desk_->Save(asked);
      return;
    }
    const NeonBranch &branch = named->front();
    const Project &project = desk_->ProjectOf(asked);
    auto kept = project.kept.find(branch.id);
    if (kept != project.kept.end()) {
      desk_->CloseStep(asked, false, "the name is held by a branch of a finished session");
      FreeName(asked, kept->second);
      return;
    }
    // The list may leave annotations out; the branch itself has its own.
    desk_->Ask(asked, Priority::kCreate, GetBranchRequest(project.row.neon_id, branch.id),
               [this](Session &reader, const ApiAnswer &answer) {
                 Result<NeonBranch> read = ParseBranch(answer.body);
                 if (answer.verdict.kind != VerdictKind::kDone || !read.ok()) {
                   desk_->TryAgain(reader, answer.verdict.why);
                   return;
                 }
                 Adopt(reader, read.value());
               });
  };
  desk_->FindBranch(session, Priority::kCreate, session.row.branch_name, std::move(on_found));
}

void CreateFlow::Adopt(Session &session, const NeonBranch &branch) {
  bool ours = desk_->world().installations.count(AnnotatedWith(branch, kInstallationKey)) > 0 &&
              AnnotatedWith(branch, kSessionKey) == session.row.uuid;
  if (!ours) {
    desk_->CloseStep(session, false, "a branch of that name exists that is not this session's");
    desk_->Fail(session, NameTaken(session));
    return;
  }
  desk_->CloseStep(session, true, "found by name and annotation");
  desk_->ProjectOf(session).refusals = 0;
  session.row.branch_id = branch.id;
  // The parent may have been looked at again since the request was sent. Without a time the fence
  // refuses a parent that was ever restored.
  if (IsOlderThanParent(session, branch)) session.row.parent_reset_at.clear();
  session.row.branch_expires_at = ParseTimestamp(branch.expires_at);
  session.failures = 0;
  desk_->ShowTrouble(session, Status());
  desk_->Save(session);
  desk_->AwaitBranch(session, branch.id,
                     [this](Session &waited, const auto &failed) { OnOperations(waited, failed); });
}

void CreateFlow::FreeName(Session &session, const KeptBranchRow &kept) {
  const Project &project = desk_->ProjectOf(session);
  std::string name = kept.name + "-merged-" + std::to_string(kept.session_id);
  desk_->Change(session, Priority::kCreate,
                RenameBranchRequest(project.row.neon_id, kept.branch_id, name),
                StepKind::kRenameBranch, kept.branch_id,
                [this, id = kept.branch_id, name](Session &asked, const ApiAnswer &answer) {
                  if (answer.verdict.kind != VerdictKind::kDone) {
                    desk_->TryAgain(asked, answer.verdict.why);
                    return;
                  }
                  auto &all = desk_->ProjectOf(asked).kept;
                  auto renamed = all.find(id);
                  if (renamed == all.end()) return;
                  renamed->second.name = name;
                  desk_->journal().Add(renamed->second);
                });
}

void CreateFlow::OnOperations(Session &session, const std::vector<NeonOperation> &failed) {
  if (failed.empty()) return;
  std::string why = failed.front().action + " " + failed.front().status;
  if (!failed.front().error.empty()) why += ": " + failed.front().error;
  const Project &project = desk_->ProjectOf(session);
  // An operation that did not succeed may still have left a branch that works.
  auto fail = [this, why](Session &failed_session) {
    desk_->Fail(failed_session,
                Status::Error("58000", "Neon could not make the branch", "Operation " + why + ".",
                              "Discard the session and create it again."));
  };
  desk_->Ask(session, Priority::kCreate,
             GetBranchRequest(project.row.neon_id, session.row.branch_id),
             [this, fail](Session &asked, const ApiAnswer &answer) {
               Result<NeonBranch> branch = ParseBranch(answer.body);
               if (branch.ok() && branch->current_state == "ready") return;
               if (answer.verdict.kind == VerdictKind::kNotFound) {
                 desk_->ConfirmGone(asked, fail);
               } else {
                 fail(asked);
               }
             });
}

// Sessions of one parent mostly begin with the same schema. The version of the catalogs tells which
// of them have been described already, for a third of the time that it takes to describe one.
void CreateFlow::TakeVersion(Session &session) {
  BranchTask task;
  task.kind = BranchTaskKind::kCatalogVersion;
  task.connection_key = session.connection_key();
  task.uri = session.uri;
  desk_->Run(session, std::move(task), [this](Session &asked, const BranchEvent &event) {
    if (event.outcome == BranchOutcome::kNotRun) {
      desk_->TryAgainIfBranchExists(asked, event.error);
      return;
    }
    bool told = event.outcome == BranchOutcome::kDone && !event.fingerprint.empty();
    asked.base_version = told ? event.fingerprint : kUnknownVersion;
    EnterHistory(desk_->ProjectOf(asked), asked);
    const auto &known = desk_->ProjectOf(asked).known_versions;
    auto same = known.find(asked.base_version);
    if (same == known.end()) return;
    asked.row.base_fingerprint = same->second;
    desk_->Save(asked);
  });
}

void CreateFlow::TakeBase(Session &session) {
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  task.connection_key = session.connection_key();
  task.uri = session.uri;
  desk_->Run(session, std::move(task), [this](Session &asked, const BranchEvent &event) {
    if (event.outcome != BranchOutcome::kDone) {
      desk_->TryAgainIfBranchExists(asked, event.error);
      return;
    }
    asked.row.base_fingerprint = event.fingerprint;
    desk_->journal().Add(SnapshotRow{event.fingerprint, event.objects});
    desk_->Save(asked);
    if (asked.base_version == kUnknownVersion) return;
    EnterHistory(desk_->ProjectOf(asked), asked);
    auto &known = desk_->ProjectOf(asked).known_versions;
    if (known.size() >= kMaxKnownVersions) known.clear();
    known[asked.base_version] = event.fingerprint;
  });
}

}  // namespace agent_branch
