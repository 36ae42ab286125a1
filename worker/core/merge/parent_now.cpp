#include "worker/core/merge/parent_now.hpp"

#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/merge/recorded_work.hpp"
#include "worker/core/neon/parent.hpp"
#include "worker/core/session/blockers.hpp"

namespace agent_branch {
namespace {

// A branch keeps its id, but may lose its name: so long what was seen of it is believed, since a
// merge by replay needs no other call.
constexpr milliseconds kSeenLately{15'000};

}  // namespace

Flow<Status> ParentReader::See(Session &session) {
  Project &project = context_->ProjectOf(session);
  const Project::ParentSeen &seen = project.parent_seen;
  const bool lately = !seen.branch_id.empty() && context_->now() - seen.at < kSeenLately;
  if (lately && project.parent_uris.complete_for(seen.branch_id)) co_return Status();
  const std::string name = project.row.parent;
  Result<std::optional<NeonBranch>> named =
      co_await context_->FindBranch(session, Priority::kMerge, name);
  if (!named.ok()) co_return named.status();
  Result<NeonBranch> parent = CheckParent(project.row, named.value());
  if (!parent.ok()) co_return parent.status();
  project.parent_seen = {parent->id, parent->last_reset_at, context_->now()};
  co_return Status();
}

Flow<Result<ParentNow>> ParentReader::Find(Session &session) {
  Status seen = co_await See(session);
  if (!seen.ok()) co_return seen;
  Project &project = context_->ProjectOf(session);
  ParentNow now;
  now.branch_id = project.parent_seen.branch_id;
  now.last_reset_at = project.parent_seen.last_reset_at;
  now.same_history = now.last_reset_at == session.row.parent_reset_at;
  if (now.branch_id != session.row.parent_branch_id) {
    co_return Status::Error("55000", "another branch has the parent's name now",
                            "The session began with branch " + session.row.parent_branch_id +
                                "; \"" + project.row.parent + "\" is " + now.branch_id + ".",
                            "Discard the session, or give the branch its name back.");
  }
  const std::string parent_id = now.branch_id;
  Next next = co_await uris_->FetchParents(session, parent_id);
  if (next.fails()) co_return next.trouble;
  co_return now;
}

Status ParentReader::Trouble(Session &session, const BranchEvent &event) {
  Project &project = context_->ProjectOf(session);
  if (MayBeTheUri(event)) {
    uris_->DropParents(project);
    project.parent_seen = {};
  }
  return event.error;
}

Flow<Result<ParentNow>> ParentReader::Look(Session &session) {
  Result<ParentNow> found = co_await Find(session);
  if (!found.ok()) co_return found.status();
  Project &project = context_->ProjectOf(session);
  BranchTask task;
  task.kind = BranchTaskKind::kFingerprint;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  task.facts = TableNumbersExpression();
  BranchEvent event =
      co_await context_->Run(session, project, std::move(task), "a description of the parent");
  if (event.outcome != BranchOutcome::kDone) co_return Trouble(session, event);
  Result<ObjectMap> objects = ReadObjectMap(event.objects);
  if (!objects.ok()) co_return objects.status();
  found->objects = std::move(*objects);
  found->fingerprint = event.fingerprint;
  found->tables = ReadTableNumbers(event.answer);
  co_return found;
}

Flow<std::string> ParentReader::Blockers(Session &session, std::vector<std::string> tables) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (const std::string &table : tables)
    WriteString(writer, table);
  writer.EndArray();
  const std::vector<std::string> tries = {std::string(buffer.GetString(), buffer.GetSize()), "[]"};
  for (const std::string &relations : tries) {
    const Project &project = context_->ProjectOf(session);
    BranchTask task;
    task.kind = BranchTaskKind::kExcerpt;
    task.facts = "(" + BlockerQuery(relations) + ")";
    task.connection_key = project.parent_connection_key();
    task.uri = project.parent_uris.direct;
    BranchEvent answer = co_await context_->Run(session, project, std::move(task),
                                                "the parent to say who holds the lock");
    if (answer.outcome != BranchOutcome::kDone) break;
    std::string blockers = DescribeBlockers(answer.answer);
    if (!blockers.empty()) co_return blockers;
  }
  co_return std::string();
}

}  // namespace agent_branch
