#include "worker/core/merge/restore_check.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/merge/rebase_flow.hpp"
#include "worker/core/merge/recorded_work.hpp"
#include "worker/core/merge/standpoint.hpp"
#include "worker/core/merge/undo_flow.hpp"

namespace agent_branch {
namespace {

constexpr milliseconds kLongest{8'000};  // a compute starts within seconds, and the merge waits
constexpr milliseconds kInterval{300};
constexpr int64_t kTimeToDecide = 86'400;  // how long the backup is kept in any case, seconds
constexpr size_t kMostSequences = 20;
constexpr size_t kLongestText = 500;
constexpr char kSequence[] = "sequence ";

std::string CheckKey(const Session &session) {
  return "backup of merge " + std::to_string(session.merge->id);
}

// "host" or "host:port" of a URI's authority.
std::string HostOf(const Secret &uri) {
  const std::string_view text = uri.Reveal();
  const size_t authority = text.find("://");
  if (authority == std::string_view::npos) return {};
  const size_t at = text.find_first_of("@/", authority + 3);
  if (at == std::string_view::npos || text[at] != '@') return {};
  const size_t end = text.find_first_of("/?", at);
  return std::string(text.substr(at + 1, end == std::string_view::npos ? end : end - at - 1));
}

// The sequence that a clause of WrittenSince() is about; empty: it is about something else.
std::string SequenceOf(const std::string &difference) {
  if (difference.rfind(kSequence, 0) != 0) return {};
  const size_t begin = sizeof(kSequence) - 1;
  const size_t end = difference.find(": from ", begin);
  return end == std::string::npos ? std::string() : difference.substr(begin, end - begin);
}

}  // namespace

std::string CheckedJson(const std::vector<std::string> &differences, const std::string &why) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  if (!why.empty()) {
    WriteMember(writer, "not_checked", CleanText(why, kLongestText));
  } else {
    writer.Key("same");
    writer.Bool(differences.empty());
    writer.Key("written_meanwhile");
    writer.StartArray();
    for (const std::string &difference : differences)
      WriteString(writer, CleanText(difference, kLongestText));
    writer.EndArray();
  }
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::vector<std::string> FoundDifferences(std::string_view checked) {
  std::vector<std::string> found;
  Result<JsonDocument> document = ParseJson(checked);
  if (!document.ok()) return found;
  const JsonValue *list = JsonArray(&*document, "written_meanwhile");
  if (list == nullptr) return found;
  for (const JsonValue &one : list->GetArray())
    if (one.IsString()) found.emplace_back(one.GetString(), one.GetStringLength());
  return found;
}

Status WrittenMeanwhile(const std::vector<std::string> &differences, bool undoable) {
  return Status::Error(
      "AB008", "the parent was written to while it was being replaced",
      "What was written is in the merge's backup only: " + Listed(differences) + ".",
      undoable ? "agent_merge_undo() brings back the parent as it was with these writes; or carry "
                 "them over from the branch that agent_merges.backup_name names."
               : "Carry them over from the branch that agent_merges.backup_name names.");
}

Flow<Next> RestoreChecker::Run(Session &session) {
  if (session.merge->backup_branch_id.empty()) {
    NotChecked(session, "the backup was not found");
    co_return Next::Look();
  }
  Result<Secret> uri = co_await Reach(session);
  if (!session.merge) co_return Next::Look();
  if (!uri.ok()) {
    NotChecked(session, uri.status().message());
    co_return Next::Look();
  }
  Secret direct = std::move(*uri);
  Result<std::vector<std::string>> found = co_await FindDifferences(session, std::move(direct));
  context_->branches().Close(CheckKey(session));
  if (found.ok()) {
    Note(session, *found);
  } else {
    NotChecked(session, found.status().message());
  }
  co_return Next::Look();
}

void RestoreChecker::NotChecked(Session &session, const std::string &why) {
  session.merge->checked = CheckedJson({}, why.empty() ? "it is not known why" : why);
  context_->journal().Add(*session.merge);
}

void RestoreChecker::Note(Session &session, const std::vector<std::string> &differences) {
  session.merge->checked = CheckedJson(differences, {});
  context_->journal().Add(*session.merge);
  if (!differences.empty()) undo_points_->KeepAnyway(session, kTimeToDecide);
}

Flow<Result<Secret>> RestoreChecker::Reach(Session &session) {
  Result<std::string> host = co_await MakeCompute(session);
  if (!host.ok()) co_return host.status();
  // Roles and passwords of the backup are those that the parent had.
  const Project &project = context_->ProjectOf(session);
  const Secret &parents = project.parent_uris.direct;
  if (project.parent_uris.branch_id == session.row.parent_branch_id && !parents.empty()) {
    Secret composed = WithHost(parents, HostOf(parents), *host);
    if (!composed.empty()) co_return composed;
  }
  const std::string backup = session.merge->backup_branch_id;
  Result<Secret> asked = co_await uris_->AskDirect(session, backup);
  co_return asked;
}

Flow<Result<std::string>> RestoreChecker::MakeCompute(Session &session) {
  const std::string backup = session.merge->backup_branch_id;
  const Instant give_up = context_->now() + kLongest;
  for (;;) {
    const std::string project = context_->ProjectOf(session).row.neon_id;
    ApiCall call =
        context_->MakeChange(session, Priority::kMerge, CreateEndpointRequest(project, backup),
                             StepKind::kStartCompute, backup);
    call.returns_unsent = true;
    call.valid_until = give_up;
    call.trouble = nullptr;
    const ApiAnswer answer = co_await context_->Call(session, std::move(call));
    const ResponseClass &classified = answer.classified;
    if (classified.kind == ResponseKind::kUnknown) {
      context_->CloseStep(session, false, "outcome unknown; it is looked for");
      session.uncertain = false;
    }
    if (classified.kind == ResponseKind::kDone) {
      Result<NeonEndpoint> made = ParseEndpoint(answer.body);
      if (made.ok() && !made->starts)
        co_return Status::Error("53000", "Neon started no compute for the backup");
      if (made.ok()) co_return made->host;
    }
    if (classified.kind == ResponseKind::kDone || classified.kind == ResponseKind::kExists ||
        classified.kind == ResponseKind::kUnknown) {
      Result<std::string> found = co_await FindCompute(session);
      if (!found.ok() || !found->empty() || context_->now() >= give_up) co_return found;
    }
    const bool passes =
        classified.kind == ResponseKind::kBusy || classified.kind == ResponseKind::kThrottled ||
        classified.kind == ResponseKind::kUnavailable || classified.kind == ResponseKind::kUnknown;
    if (!passes || context_->now() >= give_up) co_return classified.why;
    co_await context_->Pause(session, kInterval, "a compute for the merge's backup");
  }
}

Flow<Result<std::string>> RestoreChecker::FindCompute(Session &session) {
  const std::string project = context_->ProjectOf(session).row.neon_id;
  const std::string backup = session.merge->backup_branch_id;
  NeonRequest request = ListEndpointsRequest(project, backup);
  ApiAnswer answer = co_await context_->Ask(session, Priority::kMerge, std::move(request));
  if (answer.classified.kind != ResponseKind::kDone) co_return answer.classified.why;
  co_return ParseReadWriteHost(answer.body);
}

Flow<BranchEvent> RestoreChecker::AskBackup(Session &session, BranchTask task) {
  const Project &project = context_->ProjectOf(session);
  const Instant give_up = context_->now() + kLongest;
  task.connection_key = CheckKey(session);
  for (;;) {
    BranchTask copy = task;
    BranchEvent event = co_await context_->Run(session, project, std::move(copy),
                                               "the merge's backup to say what it holds");
    if (event.outcome != BranchOutcome::kNotRun || context_->now() >= give_up) co_return event;
    co_await context_->Pause(session, kInterval, "the compute of the merge's backup");
  }
}

Flow<Result<std::vector<std::string>>> RestoreChecker::FindDifferences(Session &session,
                                                                       Secret uri) {
  Result<ForkRow> fork = context_->store().Fork(session.row.id);
  if (!fork.ok()) co_return fork.status();
  Result<Standpoint> stood = ReadStandpoint(fork->parent);
  if (!stood.ok()) co_return Status::Error("55000", "it is not known where the parent stood");
  BranchTask rows;
  rows.kind = BranchTaskKind::kUnrecorded;
  rows.uri = uri;
  rows.transaction_id = stood->next_xid;
  rows.sql = "[]";
  BranchEvent written = co_await AskBackup(session, std::move(rows));
  if (written.outcome != BranchOutcome::kDone) co_return written.error;
  BranchTask stands;
  stands.kind = BranchTaskKind::kStandpoint;
  stands.uri = uri;
  BranchEvent now = co_await AskBackup(session, std::move(stands));
  if (now.outcome != BranchOutcome::kDone) co_return now.error;
  // What was proven when the restore was sent is what was there at the fork.
  UndoPointRow point;
  point.standpoint = fork->parent;
  Result<std::vector<std::string>> found = WrittenSince(point, written.answer, now.answer);
  if (!found.ok()) co_return found.status();
  std::vector<std::string> moved;
  std::vector<std::string> differences;
  for (std::string &one : *found)
    (SequenceOf(one).empty() ? differences : moved).push_back(std::move(one));
  if (moved.empty()) co_return differences;
  Result<std::vector<std::string>> drawn =
      co_await FindDrawn(session, std::move(uri), std::move(moved));
  if (!drawn.ok()) co_return drawn.status();
  differences.insert(differences.end(), drawn->begin(), drawn->end());
  co_return differences;
}

Flow<Result<std::vector<std::string>>> RestoreChecker::FindDrawn(Session &session, Secret uri,
                                                                 std::vector<std::string> moved) {
  std::vector<std::string> drawn;
  for (size_t n = 0; n < moved.size() && n < kMostSequences; ++n) {
    BranchTask task;
    task.kind = BranchTaskKind::kGate;
    task.uri = uri;
    // A recovery leaves none of those that were logged ahead.
    task.sql = "SELECT log_cnt > 0 AS drawn FROM " + SequenceOf(moved[n]);
    BranchEvent event = co_await AskBackup(session, std::move(task));
    if (event.outcome == BranchOutcome::kNotRun) co_return event.error;
    if (event.answer.find("true") != std::string::npos) drawn.push_back(std::move(moved[n]));
  }
  co_return drawn;
}

}  // namespace agent_branch
