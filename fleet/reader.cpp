#include "fleet/reader.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace agent_branch::fleet {
namespace {

constexpr int kBetweenLooksMs = 300;  // changes that come in a burst are looked at together
constexpr int kLookAgainMs = 5'000;   // budgets and ages move without a notification
constexpr int kLongestPauseMs = 10'000;

// Everything in one statement, so that it is of one moment. Bounded: what is finished, merged and
// in conflict is the latest.
constexpr char kQuery[] = R"(
SELECT jsonb_build_object(
  'database', current_database(), 'role', current_user, 'now', clock_timestamp(),
  'worker', (SELECT to_jsonb(w) - 'queue' FROM agent_worker AS w),
  'projects', (SELECT jsonb_agg(jsonb_build_object('project', p.project, 'parent', p.parent,
      'sessions', p.sessions, 'queued', p.queued, 'paused_at', p.paused_at, 'pause_reason', p.pause_reason,
      'upkeep_error', p.upkeep_error, 'swept_age', extract(epoch FROM clock_timestamp() - p.swept_at))
      ORDER BY p.project)
    FROM (SELECT * FROM agent_projects ORDER BY sessions + queued DESC, project LIMIT 500) AS p),
  'sessions', (SELECT jsonb_agg(jsonb_build_object('id', s.id, 'session', s.session, 'project', s.project,
      'state', s.state, 'error', s.error, 'hint', s.hint, 'branch', s.branch_name, 'branch_id', s.branch_id,
      'owner', s.owner, 'waits_for', s.waits_for, 'goes_on_with', s.goes_on_with,
      'queue_position', s.queue_position, 'finished', s.finished_at IS NOT NULL, 'api_calls', s.api_calls,
      'age', extract(epoch FROM clock_timestamp() - s.created_at),
      'waits', extract(epoch FROM clock_timestamp() - s.waits_since),
      'expires_in', extract(epoch FROM s.expires_at - clock_timestamp()),
      'lasted', extract(epoch FROM coalesce(s.finished_at, clock_timestamp()) - s.created_at),
      'spans', (SELECT jsonb_agg(jsonb_build_object('name', t.name, 'kind', t.kind, 'error', t.error,
          'from', extract(epoch FROM t.started_at - s.created_at),
          'to', extract(epoch FROM coalesce(t.ended_at, clock_timestamp()) - s.created_at)) ORDER BY t.started_at)
        FROM agent_spans AS t WHERE t.session_id = s.id AND t.kind <> 'session')) ORDER BY s.id DESC)
    FROM ((SELECT * FROM agent_sessions WHERE finished_at IS NULL ORDER BY id DESC LIMIT 200)
      UNION ALL (SELECT * FROM agent_sessions WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 20)) AS s),
  'merges', (SELECT jsonb_agg(to_jsonb(m) ORDER BY m.requested_at DESC) FROM (
    SELECT session, project, status, strategy, chosen, chosen_reason, reason, requested_at,
      extract(epoch FROM finished_at - requested_at) AS took
    FROM agent_merges ORDER BY requested_at DESC LIMIT 20) AS m),
  'conflicts', (SELECT jsonb_agg(to_jsonb(c)) FROM (
    SELECT session, project, object, change, reason, base_hash, branch_hash, parent_hash
    FROM agent_conflicts ORDER BY found_at DESC LIMIT 50) AS c),
  'left', (SELECT jsonb_agg(to_jsonb(b)) FROM (
    SELECT project, name, class, action, session, monthly_cost, extract(epoch FROM age) AS age
    FROM agent_branches WHERE class NOT IN ('parent', 'live', 'foreign') ORDER BY age DESC LIMIT 200) AS b),
  'calls', (SELECT jsonb_agg(to_jsonb(a)) FROM (
    SELECT route, calls, errors, retries, waits, p50_time, p99_time FROM agent_api_calls) AS a))
)";

}  // namespace

Reader::Reader(std::string database, std::function<void(Snapshot)> on_read)
    : database_(std::move(database)),
      on_read_(std::move(on_read)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

Reader::~Reader() {
  stops_ = true;
  Refresh();
  thread_.join();
  close(wake_);
}

void Reader::Refresh() {
  wanted_ = true;
  const uint64_t one = 1;
  // A counter that is full wakes as well.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
}

void Reader::Run() {
  while (!stops_) {
    Wait();
    if (stops_) return;
    wanted_ = false;
    changed_ = false;
    Look();
  }
}

bool Reader::Connect() {
  if (connection_ && PQstatus(connection_.get()) == CONNECTION_OK) return true;
  // The session can only read, whatever the role may, and a look never lasts for long.
  const char *keys[] = {"dbname", "fallback_application_name", "connect_timeout", "options",
                        nullptr};
  const char *values[] = {database_.c_str(), "agent-branch-fleet", "5",
                          "-c default_transaction_read_only=on -c statement_timeout=10s "
                          "-c idle_in_transaction_session_timeout=10s",
                          nullptr};
  connection_.reset(PQconnectdbParams(keys, values, 1));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    error_ = PQerrorMessage(connection_.get());
    connection_.reset();
    return false;
  }
  PGresult *result = PQexec(connection_.get(), "LISTEN agent_branch");
  const bool listens = PQresultStatus(result) == PGRES_COMMAND_OK;
  if (!listens) error_ = PQerrorMessage(connection_.get());
  PQclear(result);
  if (!listens) connection_.reset();
  return listens;
}

void Reader::Look() {
  Snapshot snapshot;
  if (Connect()) {
    PGresult *result = PQexec(connection_.get(), kQuery);
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
      snapshot.json = PQgetvalue(result, 0, 0);
      error_.clear();
      failures_ = 0;
    } else {
      error_ = PQerrorMessage(connection_.get());
    }
    PQclear(result);
  }
  if (!error_.empty()) ++failures_;
  snapshot.error = error_;
  snapshot.version = ++version_;
  on_read_(std::move(snapshot));
}

bool Reader::TakeNotifications() {
  if (!connection_) return false;
  if (PQconsumeInput(connection_.get()) == 0) {
    error_ = PQerrorMessage(connection_.get());
    connection_.reset();
    return true;
  }
  bool told = false;
  while (PGnotify *notification = PQnotifies(connection_.get())) {
    told = true;
    PQfreemem(notification);
  }
  return told;
}

void Reader::Wait() {
  using namespace std::chrono;
  const auto began = steady_clock::now();
  const auto waited = [&] {
    return static_cast<int>(duration_cast<milliseconds>(steady_clock::now() - began).count());
  };
  while (!stops_) {
    changed_ = TakeNotifications() || changed_;
    const bool watched = watchers_ > 0;
    const int pause =
        failures_ == 0 ? kLookAgainMs : std::min(500 << std::min(failures_, 5), kLongestPauseMs);
    // Whoever asks for the page gets it at once; what changes is told a few times a second at most.
    if (wanted_ && (failures_ == 0 || !watched || waited() >= pause)) return;
    int left = -1;
    if (watched || wanted_)
      left = (changed_ && failures_ == 0 ? kBetweenLooksMs : pause) - waited();
    if ((watched || wanted_) && left <= 0) return;
    pollfd descriptors[2] = {{wake_, POLLIN, 0},
                             {connection_ ? PQsocket(connection_.get()) : -1, POLLIN, 0}};
    poll(descriptors, 2, left);
    uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = read(wake_, &ignored, sizeof(ignored));
  }
}

}  // namespace agent_branch::fleet
