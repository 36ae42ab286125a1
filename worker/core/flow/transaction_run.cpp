#include "worker/core/flow/transaction_run.hpp"

#include <utility>

namespace agent_branch {

Flow<TransactionEnd> RunTransaction(FlowContext &context, Actor &actor, const Project &project,
                                    BranchTask task, std::string what, TransactionCalls calls) {
  RunningTask running = context.Start(actor, project, std::move(task), std::move(what));
  TransactionEnd end;
  end.event = co_await running.Event();
  if (end.event.kind != BranchEvent::Kind::kReadyToCommit) co_return end;
  end.refusal = calls.judge(end.event);
  if (!end.refusal.ok()) co_return end;  // ends the task, which rolls back
  if (calls.look) {
    end.refusal = co_await calls.look();
    if (!end.refusal.ok()) co_return end;
  }
  if (!end.event.transaction_id.empty()) {
    calls.note(end.event);
    co_await context.Commit(actor);
  }
  // One that wrote nothing has nothing to lose.
  if (calls.hold) running.Hold();
  running.Commit();
  end.event = co_await running.Event();
  co_return end;
}

std::string WithTransaction(const std::string &record, const std::string &id) {
  const std::string member = "\"transaction_id\": \"" + id + "\"";
  const size_t begin = record.find('{');
  if (begin == std::string::npos) return "{" + member + "}";
  return "{" + member + ", " + record.substr(begin + 1);
}

}  // namespace agent_branch
