#include "worker/core/merge/standpoint.hpp"

#include <cstdint>

#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

Status Malformed() {
  return Status::Error("22P02", "a standpoint has another form than was asked for");
}

bool ReadText(const JsonDocument &document, const char *name, std::string *text) {
  const auto member = document.FindMember(name);
  if (member == document.MemberEnd() || !member->value.IsString()) return false;
  *text = std::string(member->value.GetString(), member->value.GetStringLength());
  return true;
}

std::string MovedSequence(const Standpoint &then, const Standpoint &now) {
  for (const auto &[name, value] : now.sequences) {
    const auto before = then.sequences.find(name);
    if (before == then.sequences.end() || before->second != value) return name;
  }
  for (const auto &[name, value] : then.sequences) {
    if (now.sequences.count(name) == 0) return name;
  }
  return {};
}

}  // namespace

Result<Standpoint> ReadStandpoint(std::string_view json) {
  Result<JsonDocument> read = ParseJson(json);
  if (!read.ok()) return read.status();
  const JsonDocument &document = read.value();
  if (!document.IsObject()) return Malformed();
  Standpoint standpoint;
  if (!ReadText(document, "system_identifier", &standpoint.system_identifier) ||
      !ReadText(document, "database", &standpoint.database) ||
      !ReadText(document, "next_xid", &standpoint.next_xid)) {
    return Malformed();
  }
  const auto quiet = document.FindMember("quiet");
  const auto unread = document.FindMember("unread_sequences");
  const auto sequences = document.FindMember("sequences");
  const auto others = document.FindMember("other_databases");
  const auto end = document.MemberEnd();
  if (quiet == end || unread == end || sequences == end || others == end) return Malformed();
  if (!quiet->value.IsBool() || !unread->value.IsInt64() || !sequences->value.IsObject() ||
      !others->value.IsArray()) {
    return Malformed();
  }
  standpoint.quiet = quiet->value.GetBool();
  standpoint.unread_sequences = unread->value.GetInt64();
  for (const auto &sequence : sequences->value.GetObject()) {
    const bool called = sequence.value.IsInt64();
    standpoint.sequences[sequence.name.GetString()] =
        called ? std::to_string(sequence.value.GetInt64()) : std::string();
  }
  for (const auto &other : others->value.GetArray()) {
    if (!other.IsString()) return Malformed();
    standpoint.other_databases.emplace_back(other.GetString(), other.GetStringLength());
  }
  return standpoint;
}

std::string WhatMoved(const Standpoint &then, const Standpoint &now) {
  if (then.system_identifier != now.system_identifier) return "it is another cluster";
  if (then.database != now.database) return "it is another database";
  if (then.next_xid != now.next_xid)
    return "the next transaction id went from " + then.next_xid + " to " + now.next_xid;
  if (!then.quiet) return "a transaction was under way before";
  if (!now.quiet) return "a transaction is under way";
  if (now.unread_sequences > 0)
    return std::to_string(now.unread_sequences) + " sequences cannot be read";
  if (then.other_databases != now.other_databases) return "there are other databases";
  const std::string sequence = MovedSequence(then, now);
  if (!sequence.empty()) return "sequence " + sequence + " moved";
  return {};
}

}  // namespace agent_branch
