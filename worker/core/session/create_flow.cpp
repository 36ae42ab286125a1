#include "worker/core/session/create_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/timestamp.hpp"
#include "worker/core/flow/require.hpp"
#include "worker/core/neon/annotation.hpp"
#include "worker/core/neon/parent.hpp"

namespace agent_branch {
namespace {

// An expiry at Neon has to be in the future when the request arrives.
constexpr int64_t kShortestLife = 60;
constexpr milliseconds kRestoreInterval{2'000};
// The parent is asked so often where it stands, before a branch is made without.
constexpr int kMostStandpoints = 3;

BranchSpecification Specify(const Inventory &inventory, const Project &project,
                            const Session &session, int64_t now) {
  BranchSpecification branch;
  branch.parent_id = session.row.parent_branch_id;
  branch.name = session.row.branch_name;
  branch.expires_at = FormatTimestamp(std::max(session.row.expires_at, now + kShortestLife));
  branch.min_cu = session.row.min_cu.value_or(project.row.min_cu);
  branch.max_cu = std::max(branch.min_cu, session.row.max_cu.value_or(project.row.max_cu));
  branch.bare_compute = session.row.bare_compute;
  branch.annotation = Annotate(inventory.installation_id, session.row.uuid);
  return branch;
}

// The answer to a create says what was made; one that says something else is not believed.
bool IsWhatWasAskedFor(const Session &session, const NeonChange &created) {
  return !created.branch.id.empty() && created.branch.name == session.row.branch_name &&
         created.branch.parent_id == session.row.parent_branch_id &&
         created.branch.id != session.row.parent_branch_id;
}

}  // namespace

Flow<Next> CreateFlow::Run(Session &session) {
  if (session.uncertain) {
    const bool renames = session.step && session.step->kind == StepKind::kRenameBranch;
    session.may_be_forked = session.may_be_forked || !renames;
    Next next = co_await Reconcile(session);
    const bool goes_on = !session.uncertain && session.row.state == SessionState::kCreating;
    if (next.fails() || !goes_on) co_return next;
  }
  if (session.given_up()) {
    context_->MoveTo(session, SessionState::kDiscarding);
    co_return Next::Look();
  }
  if (session.row.branch_id.empty()) {
    if (const KeptBranchRow *holder = HolderOfName(session)) {
      Next next = co_await FreeName(session, *holder);
      if (next.fails() || session.row.state != SessionState::kCreating) co_return next;
    }
    if (!session.parent_checked) {
      Next next = co_await FindParent(session);
      if (next.fails() || !session.parent_checked) co_return next;
    }
    Next next = co_await MakeBranch(session);
    co_return next;
  }
  if (!session.row.operations.empty()) {
    std::vector<NeonOperation> failed = co_await context_->AwaitNotedBefore(session);
    Next next = co_await OnOperations(session, std::move(failed));
    co_return next;
  }
  if (session.row.endpoint_id.empty()) {
    Next next = co_await FindEndpoint(session);
    if (next.fails() || session.row.state != SessionState::kCreating) co_return next;
  }
  Next next = co_await uris_->Fetch(session);
  if (next.fails() || session.row.state != SessionState::kCreating) co_return next;
  if (session.row.base_fingerprint.empty()) {
    next = co_await DescribeBase(session);
    if (next.fails() || session.row.base_fingerprint.empty()) co_return next;
  }
  context_->MoveTo(session, SessionState::kReady);
  co_return Next::Look();
}

const KeptBranchRow *CreateFlow::HolderOfName(const Session &session) const {
  const Project &project = context_->ProjectOf(session);
  for (const auto &[id, kept] : project.kept)
    if (kept.name == session.row.branch_name) return &kept;
  return nullptr;
}

Flow<Next> CreateFlow::FindParent(Session &session) {
  Project &project = context_->ProjectOf(session);
  const std::string name = project.row.parent;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kCreate, name);
  if (!named.ok()) co_return Next::Again(named.status());
  Result<NeonBranch> parent = CheckParent(project.row, named.value());
  if (!parent.ok()) co_return Next::Again(parent.status());
  if (parent->current_state == "resetting") {
    // What it will be shows when the restore has ended.
    co_await ConditionWait(&session, &project.merge_turn, "the parent's restore to end",
                           context_->now() + kRestoreInterval);
    co_return Next::Look();
  }
  session.row.parent_branch_id = parent->id;
  session.row.parent_reset_at = parent->last_reset_at;
  project.parent_seen = {parent->id, parent->last_reset_at, context_->now()};
  session.parent_checked = true;
  context_->ShowTrouble(session, Status());
  context_->Save(session);
  co_return Next::Look();
}

// Whatever is written to the parent from here on may not be on the branch. That nobody can tell
// where it stands keeps no session from its branch for long; it is a merge by restore that then has
// no proof.
Flow<Next> CreateFlow::NoteWhereTheParentStands(Session &session) {
  Project &project = context_->ProjectOf(session);
  const std::string parent_id = session.row.parent_branch_id;
  Next next = co_await uris_->FetchParents(session, parent_id);
  if (next.fails()) co_return next;
  const bool asks_for_role = reader_.IsWanted(session);
  std::optional<BranchEvent> unanswered = co_await reader_.Make(session);
  if (session.given_up()) co_return Next::Look();
  if (unanswered) co_return WithoutStandpoint(session, *unanswered);
  if (asks_for_role) session.standpoints_unread = 0;  // it does answer
  BranchTask task;
  task.kind = BranchTaskKind::kStandpoint;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  BranchEvent event = co_await context_->Run(session, project, std::move(task),
                                             "the parent to say where it stands");
  if (event.outcome == BranchOutcome::kDone) {
    context_->journal().Add(ForkRow{session.row.id, false, event.answer, {}});
    co_return Next::Look();
  }
  co_return WithoutStandpoint(session, event);
}

Next CreateFlow::WithoutStandpoint(Session &session, const BranchEvent &event) {
  if (MayBeTheUri(event)) uris_->DropParents(context_->ProjectOf(session));
  if (++session.standpoints_unread < kMostStandpoints) return Next::Again(event.error);
  return Next::Look();
}

Flow<Next> CreateFlow::MakeBranch(Session &session) {
  Project &project = context_->ProjectOf(session);
  if (!session.may_be_forked) {
    Next next = co_await NoteWhereTheParentStands(session);
    if (next.fails() || session.given_up()) co_return next;
  }
  BranchSpecification branch =
      Specify(context_->inventory(), project, session, context_->unix_time());
  NeonRequest request = CreateBranchRequest(project.row.neon_id, branch);
  ApiAnswer answer = co_await context_->Change(session, Priority::kCreate, std::move(request),
                                               StepKind::kCreateBranch, branch.name);
  if (answer.classified.kind == ResponseKind::kUnknown) {
    session.may_be_forked = true;
    co_return Next::Again(answer.classified.why);
  }
  // It waited so long for its turn that its expiry passed.
  const bool late = ParseTimestamp(branch.expires_at) <= context_->unix_time();
  if (answer.classified.kind == ResponseKind::kRefused && late) {
    co_return Next::Again(answer.classified.why);
  }
  Next next = co_await OnCreated(session, std::move(answer));
  co_return next;
}

Flow<Next> CreateFlow::OnCreated(Session &session, ApiAnswer answer) {
  if (answer.classified.kind != ResponseKind::kDone) co_return OnRefused(session, answer);
  Result<NeonChange> created = ParseChange(answer.body);
  if (!created.ok() || !IsWhatWasAskedFor(session, created.value())) {
    // Something was done, and what it was has to be looked up.
    session.may_be_forked = true;
    session.uncertain = true;
    co_return Next::Look();
  }
  context_->ProjectOf(session).refusals = 0;
  session.row.branch_id = created->branch.id;
  session.row.endpoint_id = created->endpoint_id;
  session.ours_at = context_->now();
  session.row.branch_expires_at = ParseTimestamp(created->branch.expires_at);
  context_->Progress(session);
  TakeUris(session, created.value());
  std::vector<NeonOperation> failed =
      co_await context_->AwaitNoted(session, std::move(created->operations));
  Next next = co_await OnOperations(session, std::move(failed));
  co_return next;
}

Next CreateFlow::OnRefused(Session &session, const ApiAnswer &answer) {
  switch (answer.classified.kind) {
    case ResponseKind::kExists:
      session.uncertain = true;
      return Next::Look();
    case ResponseKind::kPlan:
      if (session.row.bare_compute) break;
      session.row.bare_compute = true;
      context_->Save(session);
      return Next::Look();
    case ResponseKind::kLimit:
      admission_->QueueAgain(session, answer.classified.why);
      return Next::Look();
    case ResponseKind::kNotFound:
      session.parent_checked = false;
      return Next::Again(answer.classified.why);
    default:
      break;
  }
  context_->Fail(session, answer.classified.why);
  return Next::Look();
}

void CreateFlow::TakeUris(Session &session, const NeonChange &created) {
  const ProjectRow &project = context_->ProjectOf(session).row;
  for (const NeonConnectionUri &uri : created.uris) {
    if (uri.database != project.database || uri.role != project.role) continue;
    Secret pooled = WithHost(uri.uri, uri.host, uri.pooler_host);
    uris_->Take(session, false, uri.uri);
    if (!pooled.empty()) uris_->Take(session, true, std::move(pooled));
    return;
  }
}

Flow<Next> CreateFlow::OnOperations(Session &session, std::vector<NeonOperation> failed) {
  if (failed.empty()) co_return Next::Look();
  std::string why = failed.front().action + " " + failed.front().status;
  if (!failed.front().error.empty()) why += ": " + failed.front().error;
  const std::string id = session.row.branch_id;
  // An operation that did not succeed may still have left a branch that works.
  ApiCall like = context_->MakeCall(session, Priority::kCreate);
  Result<std::optional<NeonBranch>> read =
      co_await context_->ReadBranch(session, std::move(like), id);
  // What it is good for shows when it is used.
  if (!read.ok()) co_return Next::Again(read.status());
  const bool works = read->has_value() && (*read)->current_state == "ready";
  if (works && failed.front().action == "start_compute") {
    const std::string operation = failed.front().id;
    Next next = co_await StartAgain(session, why);
    if (next.fails() && !operation.empty()) {
      // The session comes back to it, also after a restart.
      session.row.operations = {operation};
      context_->Save(session);
    }
    co_return next;
  }
  if (works) co_return Next::Look();
  context_->Fail(session,
                 Status::Error("58000", "Neon could not make the branch", "Operation " + why + ".",
                               "Discard the session and create it again."));
  co_return Next::Look();
}

Flow<Next> CreateFlow::StartAgain(Session &session, std::string operation) {
  if (session.row.endpoint_id.empty()) {
    Next next = co_await FindEndpoint(session);
    if (next.fails() || session.row.state != SessionState::kCreating) co_return next;
  }
  Status why = Status::Error("58000", "Neon could not start the branch's compute",
                             "Operation " + operation + ".",
                             "It is started again by itself, with growing intervals.");
  Next next = co_await context_->StartCompute(session, std::move(why));
  co_return next;
}

Flow<Next> CreateFlow::FindEndpoint(Session &session) {
  // Adopted, so the answer that named its compute was lost.
  const Project &project = context_->ProjectOf(session);
  NeonRequest request = ListEndpointsRequest(project.row.neon_id, session.row.branch_id);
  ApiAnswer answer = co_await context_->Ask(session, Priority::kCreate, std::move(request));
  Result<std::string> endpoint = ParseReadWriteEndpoint(answer.body);
  if (!endpoint.ok() || endpoint.value().empty()) {
    Next next = co_await context_->AfterBranchFailure(
        session, Status::Error("55000", "the branch has no compute"));
    co_return next;
  }
  session.row.endpoint_id = endpoint.value();
  context_->Save(session);
  co_return Next::Look();
}

}  // namespace agent_branch
