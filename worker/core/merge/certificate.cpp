#include "worker/core/merge/certificate.hpp"

#include "worker/core/base/json.hpp"
#include "worker/core/merge/standpoint.hpp"

namespace agent_branch {
namespace {

void WriteRows(JsonWriter &writer, const char *name, const ChangedRows &rows) {
  writer.Key(name);
  writer.StartObject();
  for (const auto &[table, counts] : rows.tables) {
    if (!counts.any()) continue;
    writer.Key(table.c_str(), static_cast<rapidjson::SizeType>(table.size()));
    writer.StartObject();
    writer.Key("inserted");
    writer.Int64(counts.inserted);
    writer.Key("updated");
    writer.Int64(counts.updated);
    writer.Key("deleted");
    writer.Int64(counts.deleted);
    writer.EndObject();
  }
  writer.EndObject();
}

}  // namespace

std::string ReplayCertificate(const ObjectMap &base, const ObjectMap &branch,
                              const ObjectMap &parent, const ChangedRows &on_branch,
                              std::string_view record, milliseconds took) {
  int64_t by_branch = 0;
  int64_t by_parent = 0;
  for (const ObjectDifference &difference : CompareThreeWays(base, branch, parent)) {
    by_branch += difference.base != difference.branch ? 1 : 0;
    by_parent += difference.base != difference.parent ? 1 : 0;
  }
  ChangedRows on_parent;
  const Status read = AddRecord(record, &on_parent);
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("objects_compared");
  writer.Int64(static_cast<int64_t>(parent.size()));
  writer.Key("objects_changed_by_session");
  writer.Int64(by_branch);
  writer.Key("objects_changed_by_others");
  writer.Int64(by_parent);
  WriteRows(writer, "rows_on_branch", on_branch);
  if (read.ok()) WriteRows(writer, "rows_on_parent", on_parent);
  writer.Key("milliseconds");
  writer.Int64(took.count());
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string RestoreCertificate(std::string_view standpoint, bool locked) {
  Result<Standpoint> stood = ReadStandpoint(standpoint);
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  if (stood.ok()) {
    WriteMember(writer, "next_xid", stood->next_xid);
    WriteMember(writer, "system_identifier", stood->system_identifier);
    writer.Key("sequences_compared");
    writer.Int64(static_cast<int64_t>(stood->sequences.size()));
  }
  writer.Key("tables_locked");
  writer.Bool(locked);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace agent_branch
