#include "postgres/installed_version.hpp"

#include <array>

#include "postgres/guard.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

constexpr char kOurs[] = AGENT_BRANCH_VERSION;

// The numbers at the beginning; what follows them says nothing of the tables.
std::array<long, 3> NumbersOf(const std::string &version) {
  std::array<long, 3> numbers{};
  const char *next = version.c_str();
  for (long &number : numbers) {
    char *end = nullptr;
    number = std::strtol(next, &end, 10);
    if (end == next || *end != '.') break;
    next = end + 1;
  }
  return numbers;
}

// Plain code: an ERROR passes through. Null: no such extension.
char *ReadVersion() {
  char *version = nullptr;
  Relation relation = table_open(ExtensionRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
              CStringGetDatum("agent_branch"));
  SysScanDesc scan = systable_beginscan(relation, ExtensionNameIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    bool is_null = false;
    Datum datum =
        heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(relation), &is_null);
    if (!is_null) version = TextDatumGetCString(datum);
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return version;
}

}  // namespace

std::string InstalledVersion() {
  char *version = CallPg([] { return ReadVersion(); });
  if (version == nullptr) return {};
  std::string installed = version;
  pfree(version);
  return installed;
}

Status CheckVersion(const std::string &installed) {
  const std::array<long, 3> theirs = NumbersOf(installed);
  const std::array<long, 3> ours = NumbersOf(kOurs);
  if (theirs == ours) return {};
  const std::string message = "extension \"agent_branch\" of this database is version " +
                              installed + ", and the server's library is version " + kOurs;
  if (theirs < ours)
    return Status::Error("55000", message,
                         "Nothing is done with its tables until they are updated.",
                         "Run ALTER EXTENSION agent_branch UPDATE in this database.");
  return Status::Error("55000", message, "The library does not know the tables.",
                       "Install version " + installed + " and restart the server.");
}

void RequireMatchingVersion() {
  Status status = CheckVersion(InstalledVersion());
  if (!status.ok()) RaiseStatus(status);
}

}  // namespace agent_branch
