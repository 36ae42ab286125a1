#include "extension/quotas.hpp"

#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

// For one limit: that of the role, that of the project.
constexpr char kLimits[] =
    "SELECT (SELECT max((a.limits->>$3)::bigint) FROM agent_branch.role_access AS a "
    "WHERE a.role = $1 AND (a.project_id IS NULL OR a.project_id = $2)), "
    "(SELECT (p.options->>('max_' || $3))::bigint FROM agent_branch.project AS p WHERE p.id = $2)";

constexpr char kLive[] =
    "SELECT count(*) FROM agent_branch.session AS s WHERE s.project_id = $1 "
    "AND s.finished_at IS NULL AND ($2 IS NULL OR s.owner = $2)";
constexpr char kQueued[] =
    "SELECT count(*) FROM agent_branch.session AS s WHERE s.project_id = $1 "
    "AND s.finished_at IS NULL AND s.state = 'queued' AND ($2 IS NULL OR s.owner = $2)";
constexpr char kToday[] =
    "SELECT count(*) FROM agent_branch.session AS s WHERE s.project_id = $1 "
    "AND s.created_at > now() - interval '1 day' AND ($2 IS NULL OR s.owner = $2)";
// The length of a text that is out of line is known without reading it.
constexpr char kBytes[] =
    "SELECT coalesce(sum(octet_length(t.sql)), 0) FROM agent_branch.session AS s "
    "JOIN agent_branch.migration AS m ON m.session_id = s.id "
    "JOIN agent_branch.migration_attempt AS t ON t.migration_id = m.id "
    "WHERE s.project_id = $1 AND s.finished_at IS NULL AND ($2 IS NULL OR s.owner = $2)";

struct Quota {
  const char *key;
  const char *count;    // the query that counts
  const char *counted;  // what it counts
  const char *hint;
};

constexpr Quota kSessionQuotas[] = {
    {"live_sessions", kLive, "unfinished sessions",
     "Merge or discard one first, or ask an administrator for more."},
    {"queued_sessions", kQueued, "sessions that wait for a branch",
     "Wait until some of them have begun, or ask an administrator for more."},
    {"branches_a_day", kToday, "sessions begun within a day",
     "Try again later, or ask an administrator for more."},
};
constexpr Quota kMigrationQuota = {
    "migration_bytes", kBytes, "bytes of migrations in unfinished sessions",
    "Merge or discard a session first, or ask an administrator for more."};

struct Asked {
  Oid caller;
  int64_t project_id;
  const std::string &project;
  int64_t more;
};

void RequireWithin(const Quota &quota, const Asked &asked, int64_t limit, bool of_role) {
  const Param role =
      of_role ? Param::Of(OIDOID, ObjectIdGetDatum(asked.caller)) : Param::Of(OIDOID, std::nullopt);
  const int64_t count = RunQuery(quota.count, {asked.project_id, role}, Snapshot::kFresh)[0].Int(0);
  if (count + asked.more <= limit) return;
  Raise("53400",
        std::string(of_role ? "limit of this role" : "limit") + " in project " +
            Quoted(asked.project) + " is reached",
        "There are " + std::to_string(count) + " " + quota.counted + "; the limit " + quota.key +
            " is " + std::to_string(limit) + ".",
        quota.hint);
}

void Require(const Quota &quota, const Asked &asked) {
  const Rows limits = RunQuery(
      kLimits, {Param::Of(OIDOID, ObjectIdGetDatum(asked.caller)), asked.project_id, quota.key},
      Snapshot::kFresh);
  if (!limits[0].IsNull(0)) RequireWithin(quota, asked, limits[0].Int(0), true);
  if (!limits[0].IsNull(1)) RequireWithin(quota, asked, limits[0].Int(1), false);
}

}  // namespace

void RequireRoomForSession(Oid caller, const Project &project) {
  for (const Quota &quota : kSessionQuotas)
    Require(quota, {caller, project.id, project.name, 1});
}

void RequireRoomForMigration(Oid caller, const Session &session, size_t bytes) {
  Require(kMigrationQuota,
          {caller, session.project_id, session.project, static_cast<int64_t>(bytes)});
}

}  // namespace agent_branch
