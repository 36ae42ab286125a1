#include "worker/core/merge/blast_radius.hpp"

#include <algorithm>
#include <string_view>

#include "worker/core/base/json.hpp"
#include "worker/core/state/gate_options.hpp"

namespace agent_branch {
namespace {

// From SHARE on, a lock keeps others from writing.
constexpr std::string_view kKeepsWritersOut = "ShareLock";
constexpr std::string_view kOfWriters = "RowExclusiveLock";

bool IsStronger(std::string_view lock, std::string_view other) {
  return LockStrength(lock) > LockStrength(other);
}

bool IsTable(const ObjectMap &base, const std::string &name) {
  return base.count("table " + name) != 0 || base.count("materialized view " + name) != 0;
}

RowCounts CountsOf(const ChangedRows &recorded, const std::set<std::string> &names) {
  RowCounts sum;
  for (const std::string &name : names) {
    const auto found = recorded.tables.find(name);
    if (found == recorded.tables.end()) continue;
    sum.inserted += found->second.inserted;
    sum.updated += found->second.updated;
    sum.deleted += found->second.deleted;
  }
  return sum;
}

std::string StrongestOn(const ChangedRows &recorded, const std::set<std::string> &names) {
  std::string strongest;
  for (const HeldLocks &held : recorded.locks) {
    for (const std::string &name : names) {
      const auto found = held.strongest.find(name);
      if (found != held.strongest.end() && IsStronger(found->second, strongest))
        strongest = found->second;
    }
  }
  return strongest;
}

// Names that a table of the parent has or had on the branch, by its name on the parent. Only its
// own: a table made anew under the name of one that was dropped is another.
std::map<std::string, std::set<std::string>> NamesOnBranch(const RadiusSources &sources) {
  std::map<int64_t, std::string> by_number;
  for (const auto &[name, number] : sources.branch_tables)
    by_number[number] = name;
  std::map<std::string, std::set<std::string>> names;
  for (const auto &[table, number] : sources.parent_tables) {
    if (!IsTable(sources.base, table)) continue;
    names[table].insert(table);
    const auto now = by_number.find(number);
    if (now != by_number.end()) names[table].insert(now->second);
  }
  return names;
}

class Exceeded {
 public:
  Exceeded(const char *limit, int64_t allowed) : writer_(buffer_) {
    writer_.StartObject();
    WriteMember(writer_, "limit", limit);
    writer_.Key("allowed");
    writer_.Int64(allowed);
  }
  Exceeded(const char *limit, const std::string &allowed) : writer_(buffer_) {
    writer_.StartObject();
    WriteMember(writer_, "limit", limit);
    WriteMember(writer_, "allowed", allowed);
  }
  JsonWriter &Measured() {
    writer_.Key("measured");
    return writer_;
  }
  std::string Text() {
    writer_.EndObject();
    return {buffer_.GetString(), buffer_.GetSize()};
  }

 private:
  rapidjson::StringBuffer buffer_;
  JsonWriter writer_;
};

void CheckRows(const char *limit, const std::optional<int64_t> &allowed,
               const std::optional<int64_t> &measured, std::vector<std::string> *found) {
  if (!allowed || (measured && *measured <= *allowed)) return;
  Exceeded row(limit, *allowed);
  JsonWriter &writer = row.Measured();
  if (measured) {
    writer.Int64(*measured);
  } else {
    writer.Null();
  }
  found->push_back(row.Text());
}

}  // namespace

std::vector<TouchedTable> FindTouched(const RadiusSources &sources) {
  std::vector<TouchedTable> touched;
  for (const auto &[table, names] : NamesOnBranch(sources)) {
    TouchedTable one;
    one.table = table;
    const auto here = sources.branch_tables.find(table);
    const bool renamed = names.size() > 1;
    one.dropped = !renamed && (here == sources.branch_tables.end() ||
                               here->second != sources.parent_tables.at(table));
    const RowCounts counts = CountsOf(sources.recorded, names);
    one.updated = counts.updated;
    one.deleted = counts.deleted;
    for (const std::string &name : names)
      one.rewritten = one.rewritten || sources.recorded.rewritten.count(name) != 0;
    one.lock = StrongestOn(sources.recorded, names);
    if (one.dropped || renamed) one.lock = "AccessExclusiveLock";
    if (counts.any() || one.rewritten || one.dropped || renamed || IsStronger(one.lock, kOfWriters))
      touched.push_back(std::move(one));
  }
  return touched;
}

BlastRadius MeasureRadius(const RadiusSources &sources, const std::vector<TouchedTable> &touched,
                          const std::map<std::string, int64_t> &sizes) {
  BlastRadius radius;
  radius.locks_known = sources.recorded.locks_known;
  const auto add = [](std::optional<int64_t> *sum, const std::optional<int64_t> &rows) {
    if (*sum && rows) **sum += *rows;
    if (!rows) sum->reset();
  };
  if (!sources.recorded.counted) {
    radius.rows_rewritten.reset();
    radius.rows_deleted.reset();
  }
  std::set<std::string> guarded;  // tables, under each name, that writers were kept out of
  const auto names = NamesOnBranch(sources);
  for (const TouchedTable &one : touched) {
    radius.tables.insert(one.table);
    add(&radius.rows_rewritten, one.updated);
    add(&radius.rows_deleted, one.deleted);
    std::optional<int64_t> held;
    const auto size = sizes.find(one.table);
    if (size != sizes.end()) held = size->second;
    if (one.rewritten) add(&radius.rows_rewritten, held);
    if (one.dropped || (one.rewritten && sources.takes_rows_away)) add(&radius.rows_deleted, held);
    if (IsStronger(one.lock, radius.strongest_lock)) {
      radius.strongest_lock = one.lock;
      radius.locked_table = one.table;
    }
    if (LockStrength(one.lock) >= LockStrength(kKeepsWritersOut))
      guarded.insert(names.at(one.table).begin(), names.at(one.table).end());
  }
  // The lock of a table that is gone at the end is not told of: it counts from the beginning.
  bool locked = std::any_of(touched.begin(), touched.end(),
                            [](const TouchedTable &one) { return one.dropped; });
  for (const HeldLocks &held : sources.recorded.locks) {
    for (const auto &[table, lock] : held.strongest) {
      locked = locked ||
               (guarded.count(table) != 0 && LockStrength(lock) >= LockStrength(kKeepsWritersOut));
    }
    if (locked) radius.longest_lock += milliseconds(held.milliseconds);
  }
  return radius;
}

std::vector<std::string> FindExceeded(const GateRow &gate, const BlastRadius &radius) {
  std::vector<std::string> found;
  CheckRows("max_tables", gate.max_tables, static_cast<int64_t>(radius.tables.size()), &found);
  CheckRows("max_rows_rewritten", gate.max_rows_rewritten, radius.rows_rewritten, &found);
  CheckRows("max_rows_deleted", gate.max_rows_deleted, radius.rows_deleted, &found);
  std::optional<int64_t> longest;
  if (radius.locks_known) longest = radius.longest_lock.count();
  std::optional<int64_t> allowed;
  if (gate.longest_lock) allowed = gate.longest_lock->count();
  CheckRows("longest_lock", allowed, longest, &found);
  const bool stronger = IsStronger(radius.strongest_lock, gate.strongest_lock);
  if (gate.strongest_lock.empty() || (radius.locks_known && !stronger)) return found;
  Exceeded row("strongest_lock", gate.strongest_lock);
  if (stronger) {
    WriteString(row.Measured(), radius.strongest_lock + " on " + radius.locked_table);
  } else {
    row.Measured().Null();
  }
  found.push_back(row.Text());
  return found;
}

std::string SizeQuestion(const std::vector<std::string> &tables) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (size_t n = 0; n < tables.size(); ++n) {
    writer.StartObject();
    writer.Key("n");
    writer.Int64(static_cast<int64_t>(n));
    WriteMember(writer, "relation", tables[n]);
    writer.EndObject();
  }
  writer.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

std::map<std::string, int64_t> ReadSizes(std::string_view answer,
                                         const std::vector<std::string> &tables) {
  std::map<std::string, int64_t> sizes;
  Result<JsonDocument> document = ParseJson(answer);
  if (!document.ok() || !document->IsArray()) return sizes;
  for (const JsonValue &row : document->GetArray()) {
    const std::optional<int64_t> n = JsonInteger(&row, "n");
    const std::optional<int64_t> rows = JsonInteger(&row, "rows");
    if (n && rows && *n >= 0 && static_cast<size_t>(*n) < tables.size())
      sizes[tables[static_cast<size_t>(*n)]] = *rows;
  }
  return sizes;
}

}  // namespace agent_branch
