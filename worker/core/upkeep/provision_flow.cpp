#include "worker/core/upkeep/provision_flow.hpp"

#include <algorithm>
#include <set>
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
// Unlike the keys of a session's branch: a project's first branch is nobody's to delete.
constexpr char kProjectKey[] = "agent-branch-project";

ProjectSpecification Specify(const ProvisionRow &row, bool bare_compute) {
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
                       "It is gone on with by itself; look at the project at Neon.");
}

Status TooManyPages() {
  return Status::Error("54000", "the list of the account's Neon projects does not end",
                       "More than " + std::to_string(kMostPages) + " pages were read.",
                       "Look for the project at Neon, and remove it here with "
                       "agent_project_remove().");
}

}  // namespace

void ProvisionFlow::Look() {
  if (store_ == nullptr) return;
  Result<std::vector<ProvisionRow>> rows = store_->Provisions();
  if (!rows.ok()) return;  // a later request, or the worker's next start, looks again
  std::set<int64_t> there;
  for (ProvisionRow &row : rows.value()) {
    const int64_t id = row.id;
    there.insert(id);
    auto [found, added] = made_.try_emplace(id);
    if (!added) continue;
    found->second = std::make_unique<Made>();
    Made *made = found->second.get();
    made->row = std::move(row);
    // Of no project in the tables, and unlike those.
    made->project.row.id = -id;
    made->project.row.neon_id = made->row.neon_id;
    made->project.row.api_key_file = made->row.api_key_file;
    made->actor = std::make_unique<UpkeepActor>(scheduler_, made->project.row.id,
                                                [this, made] { return Next(*made); });
    made->actor->Wake();
  }
  // What was given up; of what is on its way to Neon agent_project_remove() keeps the row. What
  // polls operations may still point to its project, so it stays.
  for (const auto &[id, made] : made_) {
    if (made->done || there.count(id) > 0) continue;
    made->done = true;
    made->actor->Interrupt();
  }
}

void ProvisionFlow::End() {
  for (const auto &[id, made] : made_)
    made->actor.reset();
}

ApiCall ProvisionFlow::MakeCall(Made &made, NeonRequest request) {
  ApiCall call;
  call.priority = Priority::kCreate;
  call.project = &made.project;
  call.request = std::move(request);
  call.trouble = [this, &made](const Status &why) { Show(made, why); };
  return call;
}

Flow<> ProvisionFlow::Next(Made &made) {
  if (made.done) return {};
  return Run(made);
}

Flow<> ProvisionFlow::Run(Made &made) {
  const Status status = co_await Advance(made);
  Show(made, status);
  if (status.ok()) {
    made.actor->failures = 0;
    made.actor->Wake();
    co_return;
  }
  ++made.actor->failures;
  const milliseconds delay = context_->Backoff(kAgain, made.actor->failures);
  co_await context_->Pause(*made.actor, delay, "the project to be made: " + status.message());
}

Flow<Status> ProvisionFlow::Advance(Made &made) {
  Status status;
  if (!made.row.neon_id.empty()) {
    status = co_await MakeParent(made);
  } else if (made.row.asked) {
    status = co_await LookForProject(made);
  } else {
    status = co_await MakeProject(made);
  }
  co_return status;
}

Flow<Result<ApiAnswer>> ProvisionFlow::Change(Made &made, NeonRequest request) {
  const std::string route = request.route;
  const Status intended = store_->IntendProvision(made.row);
  if (!intended.ok()) co_return intended;
  made.row.asked = true;
  ApiCall call = MakeCall(made, std::move(request));
  const ApiAnswer answer = co_await context_->Call(*made.actor, std::move(call));
  const ResponseKind kind = answer.classified.kind;
  if (kind == ResponseKind::kUnknown) co_return answer.classified.why;
  // What was made is recorded together with its id.
  if (kind == ResponseKind::kDone) co_return answer;
  const Status recorded =
      Record(made, route + " refused: " + answer.classified.why.detail(), answer.request_id);
  if (!recorded.ok()) co_return recorded;
  co_return answer;
}

Status ProvisionFlow::Record(Made &made, const std::string &outcome,
                             const std::string &request_id) {
  made.row.asked = false;
  Status recorded = store_->RecordProvision(made.row, outcome, request_id);
  // It is found out again what became of it.
  if (!recorded.ok()) made.row.asked = true;
  return recorded;
}

Flow<Status> ProvisionFlow::MakeProject(Made &made) {
  for (const bool bare : {false, true}) {
    NeonRequest request = CreateProjectRequest(Specify(made.row, bare));
    Result<ApiAnswer> answer = co_await Change(made, std::move(request));
    if (!answer.ok()) co_return answer.status();
    // The plan leaves compute sizes to itself.
    if (answer->classified.kind == ResponseKind::kPlan && !bare) continue;
    if (answer->classified.kind != ResponseKind::kDone) co_return answer->classified.why;
    Result<NeonProject> project = ParseProject(answer->body);
    // It was made, and is looked for.
    if (!project.ok()) co_return project.status();
    made.row.neon_id = project->id;
    const Status recorded = Record(made, "project made: " + project->id, answer->request_id);
    if (!recorded.ok()) {
      made.row.neon_id.clear();
      co_return recorded;
    }
    made.project.row.neon_id = project->id;
    Result<NeonChange> change = ParseChange(answer->body);
    if (!change.ok()) co_return Status();
    const Status ended = co_await AwaitEnd(made, std::move(change->operations));
    co_return ended;
  }
  co_return Status();
}

Flow<Status> ProvisionFlow::LookForProject(Made &made) {
  for (int look = 1;; ++look) {
    Result<NeonProject> found = co_await FindProject(made);
    if (!found.ok()) co_return found.status();
    if (!found->id.empty()) {
      made.row.neon_id = found->id;
      const Status recorded =
          Record(made, "project found by name and annotation: " + found->id, {});
      if (!recorded.ok()) made.row.neon_id.clear();
      made.project.row.neon_id = made.row.neon_id;
      co_return recorded;
    }
    if (look == kLooks) break;
    co_await context_->Pause(*made.actor, kBetweenLooks,
                             "a project that may be being made to show");
  }
  const Status recorded = Record(made, "no project of that name has the mark", {});
  co_return recorded;
}

Flow<Result<NeonProject>> ProvisionFlow::FindProject(Made &made) {
  std::string cursor;
  for (int pages = 0; pages < kMostPages; ++pages) {
    NeonRequest request =
        ListProjectsRequest(made.row.name, made.row.organization, cursor, kPageSize);
    ApiCall call = MakeCall(made, std::move(request));
    const ApiAnswer answer = co_await context_->Call(*made.actor, std::move(call));
    if (answer.classified.kind != ResponseKind::kDone) co_return answer.classified.why;
    Result<NeonProjectPage> page = ParseProjectPage(answer.body);
    if (!page.ok()) co_return page.status();
    for (NeonProject &candidate : page->projects) {
      if (candidate.name != made.row.name) continue;
      Result<bool> ours = co_await HasMark(made, candidate.id);
      if (!ours.ok()) co_return ours.status();
      if (ours.value()) co_return std::move(candidate);
    }
    const bool last = page->next.empty() || page->next == cursor || page->projects.empty();
    if (last) co_return NeonProject();
    cursor = page->next;
  }
  co_return TooManyPages();
}

Flow<Result<bool>> ProvisionFlow::HasMark(Made &made, std::string id) {
  NeonRequest request = ListBranchesRequest(id, {}, {}, kPageSize);
  ApiCall call = MakeCall(made, std::move(request));
  const ApiAnswer answer = co_await context_->Call(*made.actor, std::move(call));
  // Somebody has deleted it meanwhile.
  if (answer.classified.kind == ResponseKind::kNotFound) co_return false;
  if (answer.classified.kind != ResponseKind::kDone) co_return answer.classified.why;
  Result<NeonBranchPage> page = ParseBranchPage(answer.body);
  if (!page.ok()) co_return page.status();
  const auto has_mark = [&made](const NeonBranch &branch) {
    return branch.is_default && AnnotatedWith(branch, kProjectKey) == made.row.mark;
  };
  co_return std::any_of(page->branches.begin(), page->branches.end(), has_mark);
}

Flow<Status> ProvisionFlow::MakeParent(Made &made) {
  ApiCall like = MakeCall(made, {});
  ListedBranches all;
  Result<std::vector<NeonBranch>> listed =
      co_await context_->ListBranches(*made.actor, std::move(like), std::move(all));
  if (!listed.ok()) co_return listed.status();
  const std::vector<NeonBranch> &branches = listed.value();
  // What became of a request that nobody answered shows by the name, which is unique in a project.
  const bool there = std::any_of(branches.begin(), branches.end(), [&made](const NeonBranch &one) {
    return one.name == made.row.parent;
  });
  if (!there) {
    const auto first = std::find_if(branches.begin(), branches.end(),
                                    [](const NeonBranch &one) { return one.is_default; });
    if (first == branches.end()) co_return NoFirstBranch();
    BranchSpecification branch;
    branch.parent_id = first->id;
    branch.name = made.row.parent;
    branch.min_cu = made.row.min_cu;
    branch.max_cu = made.row.max_cu;
    for (const bool bare : {false, true}) {
      branch.bare_compute = bare;
      NeonRequest request = CreateBranchRequest(made.row.neon_id, branch);
      Result<ApiAnswer> answer = co_await Change(made, std::move(request));
      if (!answer.ok()) co_return answer.status();
      if (answer->classified.kind == ResponseKind::kPlan && !bare) continue;
      if (answer->classified.kind != ResponseKind::kDone) co_return answer->classified.why;
      const Status recorded = Record(made, "branch made: " + branch.name, answer->request_id);
      if (!recorded.ok()) co_return recorded;
      Result<NeonChange> change = ParseChange(answer->body);
      if (!change.ok()) co_return change.status();
      const Status ended = co_await AwaitEnd(made, std::move(change->operations));
      if (!ended.ok()) co_return ended;
      break;
    }
  }
  const Status registered = store_->RegisterProvision(made.row);
  made.done = registered.ok();
  co_return registered;
}

Flow<Status> ProvisionFlow::AwaitEnd(Made &made, std::vector<NeonOperation> operations) {
  Operations::Request request;
  request.project = &made.project;
  request.operations = std::move(operations);
  const std::vector<NeonOperation> failed =
      co_await context_->AwaitOperations(*made.actor, std::move(request));
  if (!failed.empty()) co_return Failed(failed.front());
  co_return Status();
}

void ProvisionFlow::Show(Made &made, const Status &why) {
  if (made.done || why.message() == made.shown.message()) return;
  made.shown = why;
  // That it cannot be shown is no reason to stand still.
  (void)store_->ShowProvision(made.row.id,
                              why.ok() ? std::string() : CleanLines(ErrorText(why), kMaxError));
}

}  // namespace agent_branch
