// What the desk has done in a process of its own. See desk.hpp.
#include "worker/core/script/script_pack.hpp"
#include "worker/core/session/desk.hpp"

namespace agent_branch {
namespace {

// A text of this size is read in about a millisecond, whatever it says.
constexpr size_t kShortText = 8 * 1024;
constexpr milliseconds kReadTimeout{10'000};

// That nothing of the text may run, since it could not be read.
std::shared_ptr<const Script> Unreadable(const std::string &sql, const ServerError &error) {
  auto script = std::make_shared<Script>();
  script->length = sql.size();
  script->refusal = Status::Error(std::string(kNotRead), "the migration could not be read",
                                  error.message, "Split it into smaller migrations.");
  script->refused = 1;
  script->statements.resize(1);
  script->statements[0].length = sql.size();
  return script;
}

}  // namespace

void Desk::Help(Session &session, HelperTask task, OnHelper then) {
  task.id = next_task_id_++;
  helps_[task.id] = {session.row.id, std::move(then)};
  Begin(session, Activity::kHelper, task.id);
  parts_.helpers->Start(std::move(task));
}

void Desk::OnHelperEvent(const HelperEvent &event) {
  auto found = helps_.find(event.id);
  if (found == helps_.end()) return;
  auto [session_id, then] = std::move(found->second);
  helps_.erase(found);
  Session *session = parts_.world->FindSession(session_id);
  if (session == nullptr) return;
  Resume(*session);
  then(*session, event);
}

void Desk::ReadScript(Session &session, const std::string &sql, OnScript then) {
  if (sql.size() <= kShortText || parts_.helpers == nullptr) {
    then(session, std::make_shared<const Script>(parts_.scripts->Read(sql)));
    return;
  }
  HelperTask task;
  task.kind = HelperTask::Kind::kReadScript;
  task.text = sql;
  task.timeout = kReadTimeout;
  Help(session, std::move(task),
       [this, sql, then = std::move(then)](Session &read, const HelperEvent &event) {
         // Not the text's fault: there was no process to read it in.
         if (event.outcome == HelperEvent::Outcome::kLost && event.error.sqlstate == "53000") {
           TryAgain(read, Status::Error(event.error.sqlstate, event.error.message,
                                        "The migration waits for a process to be read in.",
                                        event.error.hint));
           return;
         }
         std::optional<Script> script = event.outcome == HelperEvent::Outcome::kDone
                                            ? UnpackScript(event.answer)
                                            : std::nullopt;
         then(read, script ? std::make_shared<const Script>(std::move(*script))
                           : Unreadable(sql, event.error));
       });
}

}  // namespace agent_branch
