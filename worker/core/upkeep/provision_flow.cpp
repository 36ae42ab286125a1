#include "worker/core/upkeep/provision_flow.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/text.hpp"
#include "worker/core/neon/annotation.hpp"

namespace agent_branch {
namespace {

constexpr BackoffPolicy kAgain{milliseconds(2'000), milliseconds(1'800'000)};
// A project that is being made may be missing from the list for a moment.
constexpr int kLooks = 4;
constexpr milliseconds kBetweenLooks{3'000};
constexpr int kPageSize = 100;
constexpr int kMostPages = 100;
constexpr size_t kMaxError = 500;

ProjectSpecification Specify(const ProjectRow &row, bool bare_compute) {
  ProjectSpecification project;
  project.name = row.name;
  project.branch = row.production;
  project.database = row.database;
  project.role = row.role;
  project.region = row.region;
  project.organization = row.organization;
  project.postgres_version = row.postgres_version;
  project.min_cu = row.min_cu;
  project.max_cu = row.max_cu;
  project.bare_compute = bare_compute;
  project.annotation = {{kProjectKey, row.mark}};
  return project;
}

Status NoFirstBranch() {
  return Status::Error("42704", "the new Neon project has no default branch", {},
                       "Give the project one at Neon, or remove it with agent_project_remove().");
}

Status Failed(const NeonOperation &operation) {
  return Status::Error("58000", "Neon could not make the project",
                       "Operation " + operation.action + " " + operation.status + ".",
                       "It goes on when the project can be connected to; see the project at Neon.");
}

}  // namespace

ApiCall ProvisionFlow::MakeCall(Project &project, NeonRequest request) {
  ApiCall call;
  call.priority = Priority::kCreate;
  call.project = &project;
  call.request = std::move(request);
  call.trouble = [this, &project](const Status &why) { Show(project, why); };
  return call;
}

Flow<> ProvisionFlow::Next(Project &project) {
  const bool wanted = project.row.provision != Provision::kNone && !project.row.removed;
  if (!wanted) return {};
  return Run(project);
}

Flow<> ProvisionFlow::Run(Project &project) {
  UpkeepActor &actor = *project.provisioner;
  Status status = co_await Advance(project);
  Show(project, status);
  if (status.ok()) {
    actor.failures = 0;
    actor.Wake();
    co_return;
  }
  ++actor.failures;
  const milliseconds delay = context_->Backoff(kAgain, actor.failures);
  co_await context_->Pause(actor, delay, "the project to be made: " + status.message());
}

Flow<Status> ProvisionFlow::Advance(Project &project) {
  Status status;
  if (project.row.provision == Provision::kParent) {
    status = co_await MakeParent(project);
  } else if (project.provisioner->step) {
    status = co_await LookForProject(project);
  } else {
    status = co_await MakeProject(project);
  }
  co_return status;
}

Flow<Status> ProvisionFlow::MakeProject(Project &project) {
  for (const bool bare : {false, true}) {
    ApiCall call = MakeCall(project, CreateProjectRequest(Specify(project.row, bare)));
    call.step = StepKind::kCreateProject;
    call.step_target = project.row.name;
    const ApiAnswer answer = co_await context_->Call(*project.provisioner, std::move(call));
    // The plan leaves compute sizes to itself.
    if (answer.verdict.kind == VerdictKind::kPlan && !bare) continue;
    if (answer.verdict.kind != VerdictKind::kDone) co_return answer.verdict.why;
    Result<NeonProject> made = ParseProject(answer.body);
    // Its step is recorded as done. What was made has our mark, by which it is found.
    if (!made.ok()) {
      Result<NeonProject> found = co_await FindProject(project);
      if (!found.ok()) co_return found.status();
      made = std::move(found);
    }
    if (made->id.empty()) co_return answer.verdict.why;
    project.row.neon_id = made->id;
    Reached(project, Provision::kParent);
    Result<NeonChange> change = ParseChange(answer.body);
    if (!change.ok()) co_return Status();
    Status ended = co_await AwaitEnd(project, std::move(change->operations));
    co_return ended;
  }
  co_return Status();
}

Flow<Status> ProvisionFlow::LookForProject(Project &project) {
  UpkeepActor &actor = *project.provisioner;
  for (int look = 1;; ++look) {
    Result<NeonProject> found = co_await FindProject(project);
    if (!found.ok()) co_return found.status();
    if (!found->id.empty()) {
      context_->CloseStep(actor, true, "found by name and annotation");
      actor.uncertain = false;
      project.row.neon_id = found->id;
      Reached(project, Provision::kParent);
      co_return Status();
    }
    if (look == kLooks) break;
    co_await context_->Pause(actor, kBetweenLooks, "a project that may be being made to show");
  }
  context_->CloseStep(actor, false, "no project of that name has the mark");
  actor.uncertain = false;
  co_return Status();
}

Flow<Result<NeonProject>> ProvisionFlow::FindProject(Project &project) {
  std::string cursor;
  for (int page_number = 0; page_number < kMostPages; ++page_number) {
    const ProjectRow &row = project.row;
    ApiCall call =
        MakeCall(project, ListProjectsRequest(row.name, row.organization, cursor, kPageSize));
    const ApiAnswer answer = co_await context_->Call(*project.provisioner, std::move(call));
    if (answer.verdict.kind != VerdictKind::kDone) co_return answer.verdict.why;
    Result<NeonProjectPage> page = ParseProjectPage(answer.body);
    if (!page.ok()) co_return page.status();
    for (NeonProject &candidate : page->projects) {
      if (candidate.name != project.row.name) continue;
      Result<bool> ours = co_await HasMark(project, candidate.id);
      if (!ours.ok()) co_return ours.status();
      if (ours.value()) co_return std::move(candidate);
    }
    const bool last = page->next.empty() || page->next == cursor || page->projects.empty();
    if (last) co_return NeonProject();
    cursor = page->next;
  }
  co_return Status::Error("54000", "the list of the account's Neon projects does not end",
                          "More than " + std::to_string(kMostPages) + " pages were read.",
                          "Remove the project with agent_project_remove(), and create it by "
                          "another name.");
}

Flow<Result<bool>> ProvisionFlow::HasMark(Project &project, std::string id) {
  ApiCall call = MakeCall(project, ListBranchesRequest(id, {}, {}, kPageSize));
  const ApiAnswer answer = co_await context_->Call(*project.provisioner, std::move(call));
  // Somebody has deleted it meanwhile.
  if (answer.verdict.kind == VerdictKind::kNotFound) co_return false;
  if (answer.verdict.kind != VerdictKind::kDone) co_return answer.verdict.why;
  Result<NeonBranchPage> page = ParseBranchPage(answer.body);
  if (!page.ok()) co_return page.status();
  const auto has_mark = [&project](const NeonBranch &branch) {
    return branch.is_default && AnnotatedWith(branch, kProjectKey) == project.row.mark;
  };
  co_return std::any_of(page->branches.begin(), page->branches.end(), has_mark);
}

Flow<Status> ProvisionFlow::MakeParent(Project &project) {
  UpkeepActor &actor = *project.provisioner;
  ApiCall like = MakeCall(project, {});
  ListedBranches all;
  Result<std::vector<NeonBranch>> listed =
      co_await context_->ListBranches(actor, std::move(like), std::move(all));
  if (!listed.ok()) co_return listed.status();
  const auto named = std::find_if(
      listed->begin(), listed->end(),
      [&project](const NeonBranch &branch) { return branch.name == project.row.parent; });
  const bool there = named != listed->end();
  // What became of a request that nobody answered shows by the name, which is unique in a project.
  context_->CloseStep(actor, there, there ? "found by name" : "no branch of that name exists");
  actor.uncertain = false;
  if (there) {
    Reached(project, Provision::kNone);
    co_return Status();
  }
  const auto first = std::find_if(listed->begin(), listed->end(),
                                  [](const NeonBranch &branch) { return branch.is_default; });
  if (first == listed->end()) co_return NoFirstBranch();
  BranchSpecification branch;
  branch.parent_id = first->id;
  branch.name = project.row.parent;
  branch.min_cu = project.row.min_cu;
  branch.max_cu = project.row.max_cu;
  for (const bool bare : {false, true}) {
    branch.bare_compute = bare;
    ApiCall call = MakeCall(project, CreateBranchRequest(project.row.neon_id, branch));
    call.step = StepKind::kCreateBranch;
    call.step_target = branch.name;
    const ApiAnswer answer = co_await context_->Call(actor, std::move(call));
    if (answer.verdict.kind == VerdictKind::kPlan && !bare) continue;
    if (answer.verdict.kind != VerdictKind::kDone) co_return answer.verdict.why;
    Result<NeonChange> change = ParseChange(answer.body);
    if (!change.ok()) co_return change.status();
    Status ended = co_await AwaitEnd(project, std::move(change->operations));
    if (!ended.ok()) co_return ended;
    Reached(project, Provision::kNone);
    co_return Status();
  }
  co_return Status();
}

Flow<Status> ProvisionFlow::AwaitEnd(Project &project, std::vector<NeonOperation> operations) {
  Operations::Request request;
  request.project = &project;
  request.operations = std::move(operations);
  std::vector<NeonOperation> failed =
      co_await context_->AwaitOperations(*project.provisioner, std::move(request));
  if (!failed.empty()) co_return Failed(failed.front());
  co_return Status();
}

void ProvisionFlow::Reached(Project &project, Provision provision) {
  project.row.provision = provision;
  context_->journal().Add(ProvisionRow{project.row.id, project.row.neon_id, provision});
  if (provision != Provision::kNone) return;
  project.sweeper->Wake();
  project.OfferPlace();
}

void ProvisionFlow::Show(Project &project, const Status &why) {
  UpkeepRow row = project.upkeep;
  row.project_id = project.row.id;
  row.error = why.ok() ? std::string() : CleanLines(ErrorText(why), kMaxError);
  if (row.error == project.upkeep.error) return;
  if (row.error.empty()) {
    row.error_since = 0;
  } else if (project.upkeep.error.empty()) {
    row.error_since = context_->unix_time();
  }
  project.upkeep = row;
  context_->journal().Add(row);
}

}  // namespace agent_branch
