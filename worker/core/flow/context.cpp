#include "worker/core/flow/context.hpp"

#include <algorithm>
#include <set>

#include "worker/core/base/text.hpp"
#include "worker/core/flow/require.hpp"
#include "worker/core/script/script_pack.hpp"

namespace agent_branch {
namespace {

constexpr int kPageSize = 100;
// A Neon project has at most some thousand branches; a list that goes on for longer has no end.
constexpr int kMostPages = 500;
constexpr size_t kMaxError = 2'000;

// A text of this size is read in about a millisecond, whatever it says.
constexpr size_t kShortText = 8 * 1024;
constexpr milliseconds kReadTimeout{10'000};
constexpr char kNoProcess[] = "53000";

// That nothing of the text may run, since it could not be read.
Script Unreadable(const std::string &sql, const ServerError &error) {
  Script script;
  script.length = sql.size();
  script.refusal = Status::Error("54000", "the migration could not be read", error.message,
                                 "Split it into smaller migrations.");
  script.refused = 1;
  script.statements.resize(1);
  script.statements[0].length = sql.size();
  return script;
}

Status EndlessList(const std::string &what) {
  return Status::Error("08P01", "the Neon API's list of branches has no end", what,
                       "Look at the project's branches at Neon.");
}

bool Holds(const std::vector<NeonBranch> &branches, const std::string &name) {
  return std::any_of(branches.begin(), branches.end(),
                     [&](const NeonBranch &branch) { return branch.name == name; });
}

}  // namespace

std::string ErrorText(const Status &why) {
  std::string text = why.message();
  if (!why.detail().empty()) text += "\n" + why.detail();
  return CleanLines(text, kMaxError);
}

ApiWait FlowContext::Call(Actor &actor, ApiCall call) {
  call.on_behalf_of = &actor;
  return ApiWait(&actor, services_.calls, std::move(call));
}

RunningTask FlowContext::Start(Actor &actor, const Project &project, BranchTask task,
                               std::string what) {
  task.statement_timeout = std::min(project.row.statement_timeout, task.longest_statement);
  task.lock_timeout = std::min(project.row.lock_timeout, task.longest_lock_wait);
  return RunningTask(services_.tasks, &actor, std::move(task), std::move(what));
}

Flow<BranchEvent> FlowContext::Run(Actor &actor, const Project &project, BranchTask task,
                                   std::string what) {
  RunningTask running = Start(actor, project, std::move(task), std::move(what));
  BranchEvent event = co_await running.Event();
  co_return event;
}

Flow<Result<std::vector<NeonBranch>>> FlowContext::ListBranches(Actor &actor, ApiCall like,
                                                                ListedBranches which) {
  std::vector<NeonBranch> branches;
  std::set<std::string> ids;
  std::set<std::string> cursors;
  std::string cursor;
  for (int pages = 0; pages < kMostPages; ++pages) {
    ApiCall call = like;
    call.request = ListBranchesRequest(like.project->row.neon_id, which.search, cursor, kPageSize);
    const ApiAnswer answer = co_await Call(actor, std::move(call));
    if (answer.classified.kind != ResponseKind::kDone) co_return answer.classified.why;
    Result<NeonBranchPage> page = ParseBranchPage(answer.body);
    if (!page.ok()) co_return page.status();
    const size_t before = branches.size();
    for (NeonBranch &branch : page->branches) {
      if (ids.insert(branch.id).second) branches.push_back(std::move(branch));
    }
    // The cursor may be set on the last page too: the list ends without one, with an empty page, or
    // when it repeats the last one.
    const bool last = page->next.empty() || page->branches.empty() || page->next == cursor;
    if (last || (!which.until.empty() && Holds(branches, which.until))) co_return branches;
    if (branches.size() == before || !cursors.insert(page->next).second) {
      co_return EndlessList("A cursor came twice, or a page had only branches of the one before.");
    }
    cursor = page->next;
  }
  co_return EndlessList("It has more than " + std::to_string(kMostPages) + " pages.");
}

Flow<Result<std::optional<NeonBranch>>> FlowContext::ReadBranch(Actor &actor, ApiCall like,
                                                                std::string id) {
  ApiCall call = like;
  call.request = GetBranchRequest(like.project->row.neon_id, id);
  const ApiAnswer answer = co_await Call(actor, std::move(call));
  if (answer.classified.kind == ResponseKind::kDone) {
    Result<NeonBranch> branch = ParseBranch(answer.body);
    if (!branch.ok()) co_return branch.status();
    if (branch->id != id) {
      co_return Status::Error("08P01", "the Neon API answered with another branch",
                              "Asked for " + id + ", it named " + branch->id + ".",
                              "It is asked again by itself.");
    }
    co_return std::optional<NeonBranch>(std::move(branch.value()));
  }
  if (answer.classified.kind != ResponseKind::kNotFound) co_return answer.classified.why;
  ListedBranches which;
  which.search = id;
  Result<std::vector<NeonBranch>> listed = co_await ListBranches(actor, like, which);
  if (!listed.ok()) co_return listed.status();
  for (const NeonBranch &branch : listed.value()) {
    if (branch.id != id) continue;
    co_return Status::Error("55000", "Neon did not find the branch for a while",
                            "GET branch was answered with 404, and a list has it.",
                            "It is asked again by itself.");
  }
  co_return std::optional<NeonBranch>();
}

Flow<Result<Script>> FlowContext::ReadScript(Actor &actor, std::string sql) {
  if (sql.size() <= kShortText || !has_helpers()) co_return services_.scripts->Read(sql);
  HelperTask task;
  task.kind = HelperTask::Kind::kReadScript;
  task.text = sql;
  task.timeout = kReadTimeout;
  const HelperEvent event = co_await Help(actor, std::move(task), "the text to be read");
  // Not the text's fault: there was no process to read it in.
  if (event.outcome == HelperEvent::Outcome::kLost && event.error.sqlstate == kNoProcess) {
    co_return Status::Error(event.error.sqlstate, event.error.message,
                            "The migration waits for a process to be read in.", event.error.hint);
  }
  std::optional<Script> script;
  if (event.outcome == HelperEvent::Outcome::kDone) script = UnpackScript(event.answer);
  if (script) co_return std::move(*script);
  co_return Unreadable(sql, event.error);
}

void FlowContext::Intend(Actor &actor, const Project &project, int64_t session_id, StepKind kind,
                         std::string target) {
  Require(!actor.step.has_value(), "an actor has one step open at a time");
  actor.step = services_.journal->Intend(project, session_id, kind, std::move(target), [] {});
}

void FlowContext::CloseStep(Actor &actor, bool done, const std::string &outcome) {
  if (actor.step) services_.journal->Record(*actor.step, done, outcome);
  actor.step.reset();
  actor.uncertain = false;
}

}  // namespace agent_branch
