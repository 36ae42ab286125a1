// agent_purge, and what finds a session for the functions that show its history.
#include "extension/arguments.hpp"
#include "extension/lookup.hpp"
#include "extension/requests.hpp"
#include "extension/waiting.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

constexpr int kBatches = 100;  // of a thousand sessions each

int64_t PurgeSessions(int64_t older_than) {
  int64_t purged = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    CallPg([] { CHECK_FOR_INTERRUPTS(); });
    const int64_t count = RunQuery("SELECT agent_branch.purge($1 * interval '1 microsecond', 1000)",
                                   {older_than}, Snapshot::kFresh)[0]
                              .Int(0);
    purged += count;
    if (count == 0) break;
  }
  return purged;
}

Datum Purge(FunctionCallInfo fcinfo) {
  RequireWritable("agent_purge");
  const int64_t older_than = RequiredDuration(fcinfo, 0, "older_than");
  Status status = CheckDuration("older_than", older_than, DurationRange::kZeroOrMore);
  if (!status.ok()) RaiseStatus(status);
  const Oid caller = GetUserId();
  int64_t purged = 0;
  {
    OwnerSession as_owner;
    RequireAdmin(caller, "agent_purge()");
    purged = PurgeSessions(older_than);
  }
  return Int64GetDatum(purged);
}

Datum FindVisibleSession(FunctionCallInfo fcinfo) {
  const std::string name = RequiredText(fcinfo, 0, "session");
  const auto project = OptionalText(fcinfo, 1);
  const Oid caller = GetUserId();
  int64_t id = 0;
  {
    OwnerSession as_owner;
    id = FindSession(caller, name, project, Reach::kSeen).id;
  }
  return Int64GetDatum(id);
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_purge, agent_branch::Purge)
AGENT_BRANCH_FUNCTION(agent_branch_find_session, agent_branch::FindVisibleSession)
