#include "postgres/shared_calls.hpp"

#include <algorithm>
#include <iterator>

#include "postgres/shared_state.hpp"

namespace agent_branch {
namespace {

// The API as it is spoken here has some fifteen routes.
constexpr int kRoutes = 24;
constexpr char kOther[] = "other";

struct Route {
  char name[40];  // empty: free
  RouteStatistics statistics;
};

struct Table {
  Oid database;  // InvalidOid: free
  TimestampTz since;
  Route routes[kRoutes];
};

struct Tables {
  Table tables[kMaxDatabases];
};

Tables *tables = nullptr;
LWLock *lock = nullptr;

// For sections that contain nothing that raises.
class Locked {
 public:
  explicit Locked(LWLockMode mode = LW_EXCLUSIVE) { LWLockAcquire(lock, mode); }
  ~Locked() { LWLockRelease(lock); }
  Locked(const Locked &) = delete;
  Locked &operator=(const Locked &) = delete;
};

Table *TableOf(Oid database) {
  for (Table &table : tables->tables)
    if (table.database == database) return &table;
  return nullptr;
}

void Begin(Table &table, Oid database) {
  table = Table{};
  table.database = database;
  table.since = OidIsValid(database) ? GetCurrentTimestamp() : 0;
}

Route &RouteOf(Table &table, const std::string &name) {
  for (Route &route : table.routes) {
    const bool last = &route == &table.routes[kRoutes - 1];
    if (route.name[0] == '\0')
      strlcpy(route.name, last ? kOther : name.c_str(), sizeof(route.name));
    if (last || name == route.name) return route;
  }
  return table.routes[kRoutes - 1];
}

}  // namespace

size_t SharedCallsSize() {
  return MAXALIGN(sizeof(Tables));
}

void AttachSharedCalls(void *memory, LWLock *guard, bool initialize) {
  tables = static_cast<Tables *>(memory);
  lock = guard;
  if (initialize) memset(memory, 0, sizeof(Tables));
}

void AddCalls(Oid database, const CallStatistics &calls) {
  if (tables == nullptr || calls.empty()) return;
  Locked locked;
  Table *table = TableOf(database);
  if (table == nullptr) {
    table = TableOf(InvalidOid);
    if (table == nullptr) return;
    Begin(*table, database);
  }
  for (const auto &[name, statistics] : calls.routes())
    RouteOf(*table, name).statistics.Add(statistics);
}

CountedCalls ReadCalls(Oid database) {
  CountedCalls read;
  if (tables == nullptr) return read;
  read.routes.reserve(kRoutes);
  std::vector<Route> routes(kRoutes);
  {
    Locked locked(LW_SHARED);
    const Table *table = TableOf(database);
    if (table == nullptr) return read;
    read.since = table->since;
    std::copy(std::begin(table->routes), std::end(table->routes), routes.begin());
  }
  for (const Route &route : routes)
    if (route.name[0] != '\0') read.routes.push_back({route.name, route.statistics});
  return read;
}

void ResetCalls(Oid database) {
  if (tables == nullptr) return;
  Locked locked;
  if (Table *table = TableOf(database)) Begin(*table, database);
}

void ForgetCalls(Oid database) {
  if (tables == nullptr) return;
  Locked locked;
  if (Table *table = TableOf(database)) Begin(*table, InvalidOid);
}

}  // namespace agent_branch
