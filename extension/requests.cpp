#include "extension/requests.hpp"

#include "extension/wake.hpp"

namespace agent_branch {

void RequirePrimary(const char *function) {
  if (!RecoveryInProgress()) return;
  Raise("25006", std::string("cannot execute ") + function + "() during recovery",
        "The worker runs on the primary server only.", "Connect to the primary server.");
}

void RequireWritable(const char *function) {
  RequirePrimary(function);
  if (!XactReadOnly) return;
  Raise("25006", std::string("cannot execute ") + function + "() in a read-only transaction", {},
        "Begin the transaction with READ WRITE.");
}

void WriteRequest(Oid caller, const Request &request) {
  RunStatement(
      "INSERT INTO agent_branch.request (kind, project_id, session_id, subject_id, arguments, "
      "requested_by) VALUES ($1, $2, $3, $4, $5::jsonb, $6)",
      {request.kind, request.project_id, request.session_id, request.subject_id, request.arguments,
       Param::Of(REGROLEOID, ObjectIdGetDatum(caller))});
  WakeWorkerAtCommit();
}

}  // namespace agent_branch
