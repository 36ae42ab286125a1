// What the branch is asked about how a segment of a migration ended.
#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/session/blockers.hpp"
#include "worker/core/session/migrate_flow.hpp"
#include "worker/core/session/notices.hpp"

namespace agent_branch {
namespace {

constexpr int kMostLockTimeouts = 5;
constexpr BackoffPolicy kLockBackoff{milliseconds(500), milliseconds(5'000)};
constexpr size_t kLongestName = 500;

// What the statement mentions, or all of the segment's statements; a JSON array.
std::string NamesIn(const Script &script, const Segment &segment, int statement) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (size_t n = segment.first; n < segment.first + segment.count; ++n) {
    const bool asked = statement == 0 || n + 1 == static_cast<size_t>(statement);
    if (!asked || n >= script.statements.size()) continue;
    for (const std::string &name : script.statements[n].mentions)
      WriteString(writer, CleanText(name, kLongestName));
  }
  writer.EndArray();
  return std::string(buffer.GetString(), buffer.GetSize());
}

BranchTask AskTask(std::string facts) {
  BranchTask task;
  task.kind = BranchTaskKind::kExcerpt;
  task.facts = std::move(facts);
  return task;
}

}  // namespace

ServerError MigrateFlow::AsServerError(const Status &status) {
  ServerError error;
  error.sqlstate = status.sqlstate();
  error.message = status.message();
  error.detail = status.detail();
  error.hint = status.hint();
  return error;
}

void MigrateFlow::AddLine(const std::string &line, std::string *text) {
  if (line.empty()) return;
  *text += (text->empty() ? "" : "\n") + line;
}

// A branch that does not answer now keeps nobody from knowing the rest.
Flow<std::string> MigrateFlow::TellNotices(Session &session, Segment segment, BranchEvent event) {
  const std::shared_ptr<const Script> script = session.run->script;
  std::string facts = ThereFacts(event);
  std::string there;
  if (!facts.empty()) {
    BranchTask task = AskTask(std::move(facts));
    BranchEvent answer = co_await context_->RunOnBranch(session, std::move(task),
                                                        "the branch to say what was there");
    if (answer.outcome == BranchOutcome::kDone) there = std::move(answer.answer);
  }
  co_return NoticesJson(*script, segment, event, there);
}

std::string MigrateFlow::SaidOnly(const Session &session, const Segment &segment,
                                  const BranchEvent &event) {
  return WithNotices(R"({"counted": false})", session.migrations.front().attempt,
                     NoticesJson(*session.run->script, segment, event));
}

// One that commits as it goes may have done a part of what it does.
bool MigrateFlow::MayTryAgain(Session &session, const ServerError &error) {
  const Segment *segment = CurrentSegment(session);
  const bool whole = segment != nullptr && segment->non_transactional != NonTransactional::kOnce;
  return whole && error.sqlstate == "55P03" && ++session.run->lock_timeouts < kMostLockTimeouts;
}

Flow<> MigrateFlow::AwaitLock(Session &session) {
  const milliseconds delay = context_->Backoff(kLockBackoff, session.run->lock_timeouts);
  RunAgain(session, "a lock was not to be had");
  co_await context_->Pause(session, delay, "a lock, to be asked for again");
}

Flow<std::string> MigrateFlow::AskBlockers(Session &session, Segment segment, int statement) {
  std::string names = NamesIn(*session.run->script, segment, statement);
  // A foreign key locks a table that the statement does not name.
  const std::vector<std::string> tries = {std::move(names), "[]"};
  std::string blockers;
  for (const std::string &relations : tries) {
    BranchTask task = AskTask("(" + BlockerQuery(relations) + ")");
    BranchEvent answer = co_await context_->RunOnBranch(session, std::move(task),
                                                        "the branch to say who holds the lock");
    if (answer.outcome != BranchOutcome::kDone) break;
    blockers = DescribeBlockers(answer.answer);
    if (!blockers.empty()) break;
  }
  co_return blockers;
}

}  // namespace agent_branch
