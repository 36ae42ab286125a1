#include "worker/core/merge/replay_judgement.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

constexpr std::string_view kPassword = "password of role ";
constexpr std::string_view kOrderOfColumns = "order of columns of ";

Status Malformed() {
  return Status::Error("22P02", "a migration's record has another form than was asked for");
}

int64_t Number(const JsonValue &object, const char *name) {
  const auto member = object.FindMember(name);
  const bool found = member != object.MemberEnd() && member->value.IsInt64();
  return found ? member->value.GetInt64() : 0;
}

void AddLocks(const JsonValue &record, ChangedRows *sum) {
  const JsonValue *locks = JsonMember(&record, "locks");
  HeldLocks held;
  held.milliseconds = Number(record, "milliseconds");
  if (locks != nullptr && locks->IsObject()) {
    for (const auto &table : locks->GetObject()) {
      if (!table.value.IsString()) continue;
      held.strongest[std::string(table.name.GetString(), table.name.GetStringLength())] =
          std::string(table.value.GetString(), table.value.GetStringLength());
    }
  } else if (!JsonBool(&record, "counted")) {
    sum->locks_known = false;
  }
  sum->locks.push_back(std::move(held));
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// windows: "7,9 10,12"; empty in a record that did not look for others' ids, which has one.
void AddWindows(std::string_view windows, const std::string &id, const std::string &next,
                ChangedRows *sum) {
  const auto add = [sum](std::string_view first, std::string_view behind) {
    sum->transactions += sum->transactions.empty() ? "[\"" : ", [\"";
    sum->transactions += std::string(first) + "\", \"" + std::string(behind) + "\"]";
  };
  bool any = false;
  while (!windows.empty()) {
    const std::string_view one = windows.substr(0, windows.find(' '));
    windows.remove_prefix(std::min(windows.size(), one.size() + 1));
    const size_t comma = one.find(',');
    if (comma == std::string_view::npos) continue;
    const std::string_view first = one.substr(0, comma);
    const std::string_view behind = one.substr(comma + 1);
    if (!IsNumber(first) || !IsNumber(behind)) continue;
    add(first, behind);
    any = true;
  }
  if (!any) add(id, next.empty() ? id : next);
}

Status AddOne(const JsonValue &record, ChangedRows *sum) {
  const auto counted = record.FindMember("counted");
  if (counted == record.MemberEnd() || !counted->value.IsBool()) return Malformed();
  sum->counted = sum->counted && counted->value.GetBool();
  sum->milliseconds += Number(record, "milliseconds");
  AddLocks(record, sum);
  const std::string id = JsonString(&record, "transaction_id");
  const std::string next = JsonString(&record, "next_xid");
  if (!id.empty()) AddWindows(JsonString(&record, "windows"), id, next, sum);
  if (const JsonValue *rewritten = JsonArray(&record, "rewritten")) {
    for (const JsonValue &table : rewritten->GetArray())
      if (table.IsString()) sum->rewritten.emplace(table.GetString(), table.GetStringLength());
  }
  if (const JsonValue *moved = JsonArray(&record, "sequences")) {
    for (const JsonValue &sequence : moved->GetArray())
      if (sequence.IsString())
        sum->sequences.emplace(sequence.GetString(), sequence.GetStringLength());
  }
  const auto rows = record.FindMember("rows");
  if (rows == record.MemberEnd()) return {};
  if (!rows->value.IsObject()) return Malformed();
  for (const auto &table : rows->value.GetObject()) {
    if (!table.value.IsObject()) return Malformed();
    RowCounts &counts =
        sum->tables[std::string(table.name.GetString(), table.name.GetStringLength())];
    counts.inserted += Number(table.value, "inserted");
    counts.updated += Number(table.value, "updated");
    counts.deleted += Number(table.value, "deleted");
  }
  return {};
}

// "table app.t", "column a of table app.t", "grants on schema app to x": whether it is the schema's
// or of something in it.
bool IsOf(const std::string &key, const std::string &schema) {
  const std::string inside = " " + schema + ".";
  if (key.find(inside) != std::string::npos) return true;
  const std::string itself = "schema " + schema;
  const size_t at = key.find(itself);
  if (at == std::string::npos) return false;
  const size_t end = at + itself.size();
  return (at == 0 || key[at - 1] == ' ') && (end == key.size() || key[end] == ' ');
}

std::string Told(const RowCounts &counts) {
  std::string text;
  const auto add = [&text](int64_t rows, const char *what) {
    if (rows == 0) return;
    if (!text.empty()) text += ", ";
    text += std::to_string(rows) + " " + what;
  };
  add(counts.inserted, "inserted");
  add(counts.updated, "updated");
  add(counts.deleted, "deleted");
  return text.empty() ? "none" : text;
}

bool SameWay(const RowCounts &branch, const RowCounts &parent) {
  return (branch.inserted != 0) == (parent.inserted != 0) &&
         (branch.updated != 0) == (parent.updated != 0) &&
         (branch.deleted != 0) == (parent.deleted != 0) && parent.deleted <= branch.deleted;
}

bool IsThere(const ObjectMap &objects, const std::string &table) {
  return objects.count("table " + table) != 0 || objects.count("materialized view " + table) != 0;
}

}  // namespace

Status AddRecord(std::string_view record, ChangedRows *sum) {
  if (record.empty()) {
    sum->counted = false;
    return {};
  }
  Result<JsonDocument> read = ParseJson(record);
  if (!read.ok()) return read.status();
  const JsonDocument &document = read.value();
  if (document.IsObject()) return AddOne(document, sum);
  if (!document.IsArray()) return Malformed();
  for (const JsonValue &one : document.GetArray()) {
    if (!one.IsObject()) return Malformed();
    Status status = AddOne(one, sum);
    if (!status.ok()) return status;
  }
  return {};
}

ObjectMap WithoutManaged(const ObjectMap &objects,
                         const std::vector<std::string> &managed_schemas) {
  ObjectMap kept;
  for (const auto &[key, text] : objects) {
    if (key.compare(0, kPassword.size(), kPassword) == 0) continue;
    const bool managed =
        std::any_of(managed_schemas.begin(), managed_schemas.end(),
                    [&key = key](const std::string &schema) { return IsOf(key, schema); });
    if (!managed) kept.emplace(key, text);
  }
  return kept;
}

ObjectMap ExpectedAfterReplay(const ObjectMap &base, const ObjectMap &branch,
                              const ObjectMap &parent) {
  ObjectMap expected = parent;
  for (const ObjectDifference &difference : CompareThreeWays(base, branch, parent)) {
    if (difference.change == ObjectChange::kOrder) {
      expected.erase(difference.object);
      continue;
    }
    if (difference.change != ObjectChange::kBranchOnly) continue;
    const auto on_branch = branch.find(difference.object);
    if (on_branch == branch.end()) {
      expected.erase(difference.object);
    } else {
      expected[difference.object] = on_branch->second;
    }
  }
  return expected;
}

std::vector<std::string> FindUnexpected(const ObjectMap &expected, const ObjectMap &after,
                                        size_t limit) {
  std::vector<std::string> found;
  const auto note = [&found, limit](const std::string &key) {
    if (found.size() < limit) found.push_back(key);
  };
  for (const auto &[key, text] : expected) {
    const auto there = after.find(key);
    if (there == after.end() || there->second != text) note(key);
  }
  for (const auto &[key, text] : after) {
    const bool order = key.compare(0, kOrderOfColumns.size(), kOrderOfColumns) == 0;
    if (!order && expected.count(key) == 0) note(key);
  }
  return found;
}

std::string CompareRows(const ChangedRows &branch, const ChangedRows &parent,
                        const ObjectMap &branch_objects) {
  if (!branch.counted || !parent.counted) return "the rows that were changed were not counted";
  std::vector<RowCounts> gone;  // changed on the branch, and then renamed or dropped
  for (const auto &[table, counts] : branch.tables) {
    if (!counts.any()) continue;
    const auto same = parent.tables.find(table);
    if (same == parent.tables.end() && !IsThere(branch_objects, table)) {
      gone.push_back(counts);
      continue;
    }
    const RowCounts there = same == parent.tables.end() ? RowCounts() : same->second;
    if (!SameWay(counts, there))
      return "rows of table " + table + ": " + Told(counts) + " on the branch, " + Told(there) +
             " on the parent";
  }
  for (const auto &[table, counts] : parent.tables) {
    if (!counts.any() || branch.tables.count(table) != 0) continue;
    const auto before = std::find_if(gone.begin(), gone.end(), [&counts = counts](const auto &one) {
      return SameWay(one, counts);
    });
    if (before == gone.end())
      return "rows of table " + table + ": none on the branch, " + Told(counts) + " on the parent";
    gone.erase(before);
  }
  return {};
}

}  // namespace agent_branch
