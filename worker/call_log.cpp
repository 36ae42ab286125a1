#include "worker/call_log.hpp"

#include "postgres/guard.hpp"
#include "postgres/shared_calls.hpp"
#include "worker/core/base/text.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

void CallLog::OnCall(const CallReport &report) {
  statistics_.Count(report);
  if (report.is_change) {
    auto known = sessions_.find(report.session_id);
    if (known != sessions_.end()) known->second.request_id = report.request_id;
  }
  if (!message_level_is_interesting(DEBUG1)) return;
  std::string line = "agent_branch: ";
  line += report.route;
  line += ": ";
  line += report.http_status == 0 ? "no answer" : "HTTP " + std::to_string(report.http_status);
  line += ", ";
  line += ResponseKindName(report.kind);
  line += ", after " + std::to_string(report.took.count()) + " ms";
  if (report.waited.count() > 0) {
    line += " and " + std::to_string(report.waited.count()) + " ms of waiting for its turn";
  }
  line += ", request ";
  line += report.request_id;
  if (report.session_id != 0) line += ", session " + std::to_string(report.session_id);
  LogMessage(DEBUG1, line);
}

void CallLog::Know(const std::vector<ProjectRow> &projects,
                   const std::vector<SessionRow> &sessions) {
  for (const ProjectRow &row : projects)
    projects_[row.id] = row.neon_id;
  for (const SessionRow &row : sessions) {
    if (!row.finished) sessions_.try_emplace(row.id, Known{row.state, {}});
  }
}

void CallLog::Tell(const Batch &batch, const std::set<Owner> &set_aside) {
  for (const Mutation &mutation : batch.mutations) {
    const auto *row = std::get_if<SessionRow>(&mutation);
    if (row == nullptr || set_aside.count(Owner::Of(row->id, row->project_id)) > 0) continue;
    Tell(*row);
  }
}

void CallLog::Tell(const SessionRow &row) {
  auto found = sessions_.find(row.id);
  if (found == sessions_.end()) return;
  Known &known = found->second;
  if (known.state != row.state) {
    std::string line = "agent_branch: session \"" + row.name + "\" of project \"" +
                       projects_[row.project_id] + "\" is " + std::string(StateName(row.state)) +
                       ", was " + std::string(StateName(known.state));
    if (!row.branch_id.empty()) line += ", branch " + row.branch_id;
    if (!known.request_id.empty()) line += ", request " + known.request_id;
    if (!row.error.empty()) line += ": " + row.error;
    LogMessage(LOG, line);
    known.state = row.state;
    std::string().swap(known.request_id);
  }
  if (row.finished) sessions_.erase(found);
}

void CallLog::Publish() {
  AddCalls(MyDatabaseId, statistics_);
  statistics_.Clear();
}

}  // namespace agent_branch
