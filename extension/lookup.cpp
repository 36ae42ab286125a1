#include "extension/lookup.hpp"

#include "postgres/installed_version.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

constexpr char kFindProject[] =
    "SELECT p.id, p.project, p.options, p.paused_at IS NOT NULL, p.pause_reason "
    "FROM agent_branch.project AS p "
    "WHERE ($1 IS NULL OR $1 IN (p.project, p.name)) AND p.removed_at IS NULL "
    "AND EXISTS (SELECT FROM agent_branch.role_access AS a WHERE a.role = $2 "
    "AND (a.project_id IS NULL OR a.project_id = p.id) "
    "AND a.level = ANY (string_to_array($3, ' '))) "
    "ORDER BY p.project LIMIT 6";

// Who reaches a session: $4 has the levels that reach those of other roles.
#define AGENT_BRANCH_REACHED                                             \
  "EXISTS (SELECT FROM agent_branch.role_access AS a WHERE a.role = $3 " \
  "AND (a.project_id IS NULL OR a.project_id = s.project_id) "           \
  "AND (a.level = ANY (string_to_array($4, ' ')) "                       \
  "OR (a.level <> 'monitor' OR $4 = 'monitor admin') AND pg_has_role($3, s.owner, 'USAGE'))) "

constexpr char kFindUnfinished[] =
    "SELECT s.id, p.project "
    "FROM agent_branch.session AS s JOIN agent_branch.project AS p ON p.id = s.project_id "
    "WHERE s.name = $1 AND s.finished_at IS NULL AND ($2 IS NULL OR $2 IN (p.project, p.name)) "
    "AND " AGENT_BRANCH_REACHED "ORDER BY p.project LIMIT 6";

constexpr char kFindFinished[] =
    "SELECT s.id, p.project "
    "FROM agent_branch.session AS s JOIN agent_branch.project AS p ON p.id = s.project_id "
    "WHERE s.name = $1 AND s.finished_at IS NOT NULL AND ($2 IS NULL OR $2 IN (p.project, p.name)) "
    "AND " AGENT_BRANCH_REACHED "ORDER BY s.id DESC LIMIT 1";

#undef AGENT_BRANCH_REACHED

constexpr char kHasLevel[] =
    "SELECT EXISTS (SELECT FROM agent_branch.role_access AS a WHERE a.role = $1 "
    "AND a.level = 'admin' AND (a.project_id IS NULL OR a.project_id = $2))";

// The rows' xmin says who wrote them; the time tells a transaction from one of the same number
// four thousand million transactions ago.
constexpr char kReadSession[] =
    "SELECT s.id, s.project_id, p.project, p.options, s.name, s.state, s.goal, s.error, "
    "s.branch_id IS NOT NULL, "
    "s.finished_at IS NOT NULL OR s.state IN ('merged', 'discarding', 'discarded', 'expired') "
    "OR s.goal IN ('discard', 'expire'), "
    "s.expires_at <= clock_timestamp(), s.settled, "
    "CASE WHEN s.created_at = now() THEN s.xmin END, "
    "EXISTS (SELECT FROM agent_branch.migration AS m WHERE m.session_id = s.id "
    "AND m.status IN ('queued', 'running', 'repairing')), "
    "r.kinds, r.writers, "
    // A copy that its worker has not looked at yet still has the original's row of installation.
    "coalesce(s.installation_id = (SELECT i.id FROM agent_branch.installation AS i "
    "WHERE i.database_oid = (SELECT d.oid FROM pg_database AS d "
    "WHERE d.datname = current_database())), false), "
    "p.paused_at IS NOT NULL, p.pause_reason, s.shared_role "
    "FROM agent_branch.session AS s JOIN agent_branch.project AS p ON p.id = s.project_id, "
    "LATERAL (SELECT string_agg(q.kind, ' ') AS kinds, "
    "string_agg(CASE WHEN q.requested_at = now() THEN q.xmin::text END, ' ') AS writers "
    "FROM agent_branch.request AS q WHERE q.session_id = s.id) AS r "
    "WHERE s.id = $1";

bool IsCurrentTransaction(const Cell &transaction_id) {
  if (!transaction_id) return false;
  const auto id = static_cast<TransactionId>(std::strtoul(transaction_id->c_str(), nullptr, 10));
  return TransactionIdIsCurrentTransactionId(id);
}

bool HasWord(const std::string &words, const char *word) {
  return (" " + words + " ").find(std::string(" ") + word + " ") != std::string::npos;
}

bool WrittenHere(const std::string &writers) {
  size_t begin = 0;
  while (begin < writers.size()) {
    size_t end = writers.find(' ', begin);
    if (end == std::string::npos) end = writers.size();
    if (IsCurrentTransaction(writers.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

Session SessionOf(const Row &row) {
  Session session{};
  session.id = row.Int(0);
  session.project_id = row.Int(1);
  session.project = row.Text(2);
  session.project_options = row.Text(3);
  session.name = row.Text(4);
  session.state = row.Text(5);
  session.goal = row.Text(6);
  session.error = row.Text(7);
  session.has_branch = row.Bool(8);
  session.expired = row.Bool(10);
  session.settled = row.Bool(11);
  session.made_here = IsCurrentTransaction(row[12]);
  session.open_migrations = row.Bool(13);
  const std::string requests = row.Text(14);
  session.has_requests = !requests.empty();
  session.merge_requested = HasWord(requests, "merge");
  session.rebase_requested = HasWord(requests, "rebase");
  session.undo_requested = HasWord(requests, "undo");
  session.finished = row.Bool(9) || HasWord(requests, "discard");
  session.requested_here = WrittenHere(row.Text(15));
  session.ours = row.Bool(16);
  session.paused = row.Bool(17);
  session.pause_reason = row.Text(18);
  session.shared_role = row.Text(19);
  return session;
}

std::string NamesIn(const Rows &rows, size_t column) {
  constexpr size_t kShown = 5;
  std::string names;
  for (size_t n = 0; n < rows.size() && n < kShown; ++n)
    names += (n == 0 ? "" : ", ") + Quoted(rows[n].Text(column));
  return rows.size() > kShown ? names + ", ..." : names;
}

Param RoleParam(Oid role) {
  return Param::Of(OIDOID, ObjectIdGetDatum(role));
}

const char *LevelsOf(Reach reach) {
  switch (reach) {
    case Reach::kOwnOrAdmin:
      return "admin";
    case Reach::kSeen:
      return "monitor admin";
    case Reach::kOwn:
      break;
  }
  return "";
}

int64_t FindSessionId(Oid caller, const std::string &name,
                      const std::optional<std::string> &project, Reach reach, Snapshot snapshot) {
  const Params params = {name, project, RoleParam(caller), LevelsOf(reach)};
  Rows rows = RunQuery(kFindUnfinished, params, snapshot);
  if (rows.size() > 1)
    Raise("42P08", "session " + Quoted(name) + " is ambiguous",
          "Projects with a session of this name: " + NamesIn(rows, 1) + ".",
          "Name the project in the argument \"project\".");
  if (rows.empty()) rows = RunQuery(kFindFinished, params, snapshot);
  if (!rows.empty()) return rows[0].Int(0);
  Raise("42704",
        "session " + Quoted(name) + (project ? " of project " + Quoted(*project) : "") +
            " does not exist",
        {}, "agent_sessions shows your sessions; agent_branch_create() makes one.");
}

// A project that is being made; it is there for those alone who see every project.
void RequireMade(Oid caller, const std::string &name) {
  const Rows rows = RunQuery(
      "SELECT FROM agent_branch.provision AS n WHERE $1 IN (n.name, n.project) AND EXISTS (SELECT "
      "FROM agent_branch.role_access AS a WHERE a.role = $2 AND a.project_id IS NULL)",
      {name, RoleParam(caller)}, Snapshot::kFresh);
  if (rows.empty()) return;
  Raise("55006", "project " + Quoted(name) + " is being made at Neon", {},
        "Wait until its state in agent_projects is \"ready\".");
}

Project FindProjectOf(Oid caller, const std::optional<std::string> &name, const char *levels) {
  const Rows rows = RunQuery(kFindProject, {name, RoleParam(caller), levels}, Snapshot::kFresh);
  if (rows.size() == 1) {
    const Row &row = rows[0];
    return {row.Int(0), row.Text(1), row.Text(2), row.Bool(3), row.Text(4)};
  }
  if (name) RequireMade(caller, *name);
  if (name)
    Raise("42704", "project " + Quoted(*name) + " is not registered", {},
          "agent_projects shows the registered ones; agent_project_register() adds one.");
  if (rows.empty())
    Raise("42704", "no project is registered", {},
          "Register a Neon project with agent_project_register().");
  Raise("42P08", "project is ambiguous", "Registered projects: " + NamesIn(rows, 1) + ".",
        "Name the project in the argument \"project\".");
}

[[noreturn]] void RaisePaused(const std::string &project, const std::string &reason) {
  Raise("55000", "project " + Quoted(project) + " is paused", reason,
        "Wait until an administrator calls agent_project_resume().");
}

bool IsFinalState(const std::string &state) {
  return state == "merged" || state == "discarded" || state == "expired";
}

[[noreturn]] void RaiseGone(const std::string &name) {
  Raise("42704", "session " + Quoted(name) + " does not exist", {},
        "agent_sessions shows your sessions; agent_branch_create() makes one.");
}

void LockObject(const char *table, uint32 key) {
  CallPg([&] {
    const Oid schema = get_namespace_oid("agent_branch", false);
    LockDatabaseObject(get_relname_relid(table, schema), key, 0, ExclusiveLock);
  });
}

}  // namespace

OwnerSession::OwnerSession() {
  RequireMatchingVersion();
}

Project FindProject(Oid caller, const std::optional<std::string> &name) {
  return FindProjectOf(caller, name, "user admin");
}

Project FindOwnProject(Oid caller, const std::string &name) {
  return FindProjectOf(caller, name, "admin");
}

bool IsAdminOf(Oid caller, int64_t project_id) {
  return RunQuery(kHasLevel, {RoleParam(caller), project_id}, Snapshot::kFresh)[0].Bool(0);
}

void RequireAdmin(Oid caller, const char *function) {
  const Params params = {RoleParam(caller), std::optional<int64_t>()};
  if (RunQuery(kHasLevel, params, Snapshot::kFresh)[0].Bool(0)) return;
  Raise("42501", std::string("permission denied for ") + function,
        "It concerns every project, and this role has access to single ones.",
        "Ask an administrator for agent_branch_grant(role, 'admin').");
}

std::optional<Session> ReadSession(int64_t id) {
  const Rows rows = RunQuery(kReadSession, {id}, Snapshot::kLatest);
  if (rows.empty()) return std::nullopt;
  return SessionOf(rows[0]);
}

Session FindSession(Oid caller, const std::string &name, const std::optional<std::string> &project,
                    Reach reach) {
  auto session = ReadSession(FindSessionId(caller, name, project, reach, Snapshot::kLatest));
  if (!session) RaiseGone(name);
  return *session;
}

Session FindAndLockSession(Oid caller, const std::string &name,
                           const std::optional<std::string> &project) {
  const int64_t id = FindSessionId(caller, name, project, Reach::kOwnOrAdmin, Snapshot::kFresh);
  LockSession(id);
  auto session = ReadSession(id);
  if (!session) RaiseGone(name);
  RequireOurs(*session);
  return *session;
}

void LockSession(int64_t id) {
  LockObject("session", static_cast<uint32>(id));
}

void RequireOurs(const Session &session) {
  if (session.ours || session.finished) return;
  Raise("55000", "session " + Quoted(session.name) + " belongs to another installation",
        "This database is a copy, and only the original's worker goes on with the session.",
        "If the original is gone for good, call agent_branch_take_over().");
}

void RequireNotPaused(const Session &session) {
  if (session.paused) RaisePaused(session.project, session.pause_reason);
}

void RequireNotPaused(const Project &project) {
  if (project.paused) RaisePaused(project.name, project.pause_reason);
}

void RequireCommitted(const Session &session) {
  if (!session.made_here) return;
  Raise("25001", "session " + Quoted(session.name) + " was created in this transaction",
        "The worker begins with it when the transaction commits.", "Commit first.");
}

void RequireUnfinished(const Session &session) {
  if (!session.finished) return;
  Raise("55000", "session " + Quoted(session.name) + " is finished",
        "Its state is \"" + session.state + "\"" +
            (IsFinalState(session.state) ? "." : ", and its branch is to be deleted."),
        "Begin a new session with agent_branch_create(); once this one's branch is gone, its name "
        "may be used again.");
}

void RequireUnexpired(const Session &session) {
  if (!session.expired) return;
  Raise("55000", "session " + Quoted(session.name) + " has expired",
        "Its branch is deleted or about to be.",
        "Begin a new session with agent_branch_create(), with a longer ttl.");
}

}  // namespace agent_branch
