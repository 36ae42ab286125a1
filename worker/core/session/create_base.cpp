// The end of a create: what the branch is before anybody works there.
#include <utility>

#include "worker/core/session/create_flow.hpp"

namespace agent_branch {
namespace {

constexpr char kUnknownVersion[] = "unknown";
constexpr size_t kMaxKnownVersions = 16;
// So long a session counts on another one to describe what both begin with: should that one's
// server hang, everybody describes for themselves.
constexpr milliseconds kLongestOfOthers{5'000};

// Which history of the parent the session's branch belongs to decides what its version is compared
// with.
void EnterHistory(Project &project, const Session &session) {
  std::string part = session.row.parent_branch_id + " " + session.row.parent_reset_at;
  if (project.history.count(part) > 0) return;
  project.known_versions.clear();
  project.history = {part};
}

// Says, when a flow that describes a version ends in whatever way, that nobody does any more.
class Describing {
 public:
  Describing(Project *project, std::string version)
      : project_(project), version_(std::move(version)) {
    project_->versions_being_described.insert(version_);
  }
  ~Describing() {
    project_->versions_being_described.erase(version_);
    project_->version_described.NotifyAll();
  }
  Describing(const Describing &) = delete;
  Describing &operator=(const Describing &) = delete;

 private:
  Project *project_;
  std::string version_;
};

}  // namespace

// Sessions of one parent mostly begin with the same schema. The version of the catalogs tells which
// of them have been described already, for a third of the time that it takes to describe one.
Flow<Next> CreateFlow::DescribeBase(Session &session) {
  if (session.base_version.empty()) {
    Next next = co_await ReadBaseVersion(session);
    if (next.fails() || session.base_version.empty()) co_return next;
  }
  if (session.base_version != kUnknownVersion) {
    const Instant patience = context_->now() + kLongestOfOthers;
    while (!IsBaseKnown(session) && IsBeingDescribed(session) && context_->now() < patience)
      co_await ConditionWait(&session, &context_->ProjectOf(session).version_described,
                             "another session to describe the schema that both begin with",
                             patience);
    if (IsBaseKnown(session)) {
      const Project &project = context_->ProjectOf(session);
      session.row.base_fingerprint = project.known_versions.at(session.base_version);
      context_->Save(session);
      co_return Next::Look();
    }
  }
  Next next = co_await DescribeFully(session);
  co_return next;
}

Flow<Next> CreateFlow::ReadBaseVersion(Session &session) {
  BranchTask task;
  task.kind = BranchTaskKind::kCatalogVersion;
  BranchEvent event = co_await context_->RunOnBranch(session, std::move(task),
                                                     "the version of the branch's catalogs");
  if (event.outcome == BranchOutcome::kNotRun) {
    Next next = co_await uris_->AfterConnectionFailure(session, event);
    co_return next;
  }
  const bool told = event.outcome == BranchOutcome::kDone && !event.fingerprint.empty();
  const std::string version = told ? event.fingerprint : kUnknownVersion;
  // After the look at the catalogs, which the role is in; before the agent can do anything.
  if (role_.IsWanted(session)) {
    Next next = co_await role_.Make(session);
    const bool goes_on = session.row.state == SessionState::kCreating && !role_.IsWanted(session);
    if (next.fails() || !goes_on) co_return next;
  }
  Next next = co_await NoteWhereTheBranchStands(session);
  if (next.fails()) co_return next;
  session.base_version = version;
  co_return next;
}

// Whatever is written to the branch from here on is somebody's work there.
Flow<Next> CreateFlow::NoteWhereTheBranchStands(Session &session) {
  BranchTask task;
  task.kind = BranchTaskKind::kStandpoint;
  BranchEvent stands =
      co_await context_->RunOnBranch(session, std::move(task), "the branch to say where it stands");
  if (stands.outcome == BranchOutcome::kNotRun) {
    Next next = co_await uris_->AfterConnectionFailure(session, stands);
    co_return next;
  }
  if (stands.outcome == BranchOutcome::kDone)
    context_->journal().Add(ForkRow{session.row.id, false, {}, stands.answer});
  co_return Next::Look();
}

bool CreateFlow::IsBaseKnown(const Session &session) const {
  Project &project = context_->ProjectOf(session);
  EnterHistory(project, session);
  return project.known_versions.count(session.base_version) > 0;
}

bool CreateFlow::IsBeingDescribed(const Session &session) const {
  return context_->ProjectOf(session).versions_being_described.count(session.base_version) > 0;
}

Flow<Next> CreateFlow::DescribeFully(Session &session) {
  Describing describing(&context_->ProjectOf(session), session.base_version);
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  BranchEvent event =
      co_await context_->RunOnBranch(session, std::move(task), "a description of the branch");
  if (event.outcome != BranchOutcome::kDone) {
    Next next = co_await uris_->AfterConnectionFailure(session, event);
    co_return next;
  }
  session.row.base_fingerprint = event.fingerprint;
  context_->journal().Add(SnapshotRow{event.fingerprint, event.objects});
  context_->Save(session);
  if (session.base_version == kUnknownVersion) co_return Next::Look();
  Project &project = context_->ProjectOf(session);
  EnterHistory(project, session);
  if (project.known_versions.size() >= kMaxKnownVersions) project.known_versions.clear();
  project.known_versions[session.base_version] = event.fingerprint;
  co_return Next::Look();
}

}  // namespace agent_branch
