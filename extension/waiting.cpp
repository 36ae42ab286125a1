#include "extension/waiting.hpp"

#include "extension/arguments.hpp"
#include "extension/requests.hpp"
#include "postgres/shared_state.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

// In case that a worker ends between its commit and its broadcast.
constexpr int64_t kSafetyMilliseconds = 5000;

struct Look {
  bool exists = false;
  bool settled = false;
  std::string state;
  std::string error;
  std::string hint;
};

Look LookAt(int64_t id) {
  const Rows rows = RunQuery(
      "SELECT s.state, s.error, s.error_hint, s.settled AND NOT EXISTS (SELECT FROM "
      "agent_branch.request AS r "
      "WHERE r.session_id = s.id) FROM agent_branch.session AS s WHERE s.id = $1",
      {id}, Snapshot::kLatest);
  if (rows.empty()) return {};
  return {true, rows[0].Bool(3), rows[0].Text(0), rows[0].Text(1), rows[0].Text(2)};
}

std::string TimeoutHint(const Look &look) {
  const auto slot = FindWorkerSlot(MyDatabaseId);
  if (slot && slot->pid != 0 && !look.hint.empty()) return look.hint;
  if (slot && slot->pid != 0)
    return "The worker goes on with it: wait again. agent_sessions and agent_worker show how far "
           "it is.";
  return "No worker runs for this database: the server log says why.";
}

[[noreturn]] void RaiseTimeout(const Session &session, const Look &look, int64_t timeout) {
  std::string detail = "Its state is \"" + look.state + "\".";
  if (!look.error.empty()) detail += " Its last error: " + look.error;
  Raise("AB001",
        "session " + Quoted(session.name) + " did not settle within " + DurationText(timeout),
        detail, TimeoutHint(look));
}

int64_t MillisecondsUntil(TimestampTz deadline) {
  const int64_t left = deadline - GetCurrentTimestamp();
  return left <= 0 ? 0 : (left + 999) / 1000;
}

void RequireNothingAskedHere(const Session &session) {
  RequireCommitted(session);
  if (!session.requested_here) return;
  Raise("25001",
        "session " + Quoted(session.name) + " cannot settle before this transaction commits",
        "The worker begins with what was asked for when the transaction commits.", "Commit first.");
}

Datum Wait(FunctionCallInfo fcinfo) {
  RequirePrimary("agent_wait");
  const std::string name = RequiredText(fcinfo, 0, "session");
  const auto timeout = OptionalDuration(fcinfo, 1);
  const auto project = OptionalText(fcinfo, 2);
  RequireTimeout(timeout);
  const Oid caller = GetUserId();
  Session session;
  LookOnly([&] { session = FindSession(caller, name, project, Reach::kOwnOrAdmin); });
  RequireOurs(session);
  RequireNothingAskedHere(session);
  return TextResult(WaitUntilSettled(session, *timeout, *timeout));
}

}  // namespace

void RequireTimeout(const std::optional<int64_t> &timeout) {
  if (timeout && *timeout > 0) return;
  Raise("22023", "timeout must be greater than zero",
        timeout ? "It is " + DurationText(*timeout) + "." : "It is null.",
        "Give an interval such as \"2 min\".");
}

void LookOnly(const std::function<void()> &look) {
  RolledBackSubtransaction subtransaction;
  OwnerSession as_owner;
  look();
}

bool WaitUntil(int64_t session_id, int64_t timeout, const std::function<bool()> &look) {
  const TimestampTz now = GetCurrentTimestamp();
  const TimestampTz deadline = timeout > PG_INT64_MAX - now ? PG_INT64_MAX : now + timeout;
  for (;;) {
    const uint64_t generation = SessionGeneration(session_id);
    bool done = false;
    LookOnly([&] { done = look(); });
    if (done) return true;
    const int64_t left = MillisecondsUntil(deadline);
    if (left == 0) return false;
    WaitForSession(session_id, generation, std::min(left, kSafetyMilliseconds));
  }
}

std::string WaitUntilSettled(const Session &session, int64_t timeout, int64_t whole_timeout) {
  Look look;
  const bool done = WaitUntil(session.id, timeout, [&] {
    look = LookAt(session.id);
    return look.settled || !look.exists;
  });
  if (done && look.exists) return look.state;
  if (done)
    Raise("42704", "session " + Quoted(session.name) + " does not exist any more", {},
          "The extension was dropped, or its history was purged.");
  RaiseTimeout(session, look, whole_timeout);
}

}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_wait, agent_branch::Wait)
