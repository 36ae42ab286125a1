#include "worker/core/merge/standpoint.hpp"

#include <charconv>
#include <cstdint>
#include <optional>

#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

constexpr char kOwn[] = "own_transactions";
constexpr char kNextXid[] = "next_xid";

std::optional<int64_t> ReadId(std::string_view text) {
  int64_t id = 0;
  const auto number = std::from_chars(text.data(), text.data() + text.size(), id);
  const bool whole = number.ec == std::errc() && number.ptr == text.data() + text.size();
  return whole && id > 0 && id < INT64_MAX ? std::optional<int64_t>(id) : std::nullopt;
}

std::string Written(const JsonDocument &document) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  document.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

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

std::string WithOwnTransaction(std::string_view standpoint, std::string_view transaction_id) {
  Result<JsonDocument> read = ParseJson(standpoint);
  const std::optional<int64_t> id = ReadId(transaction_id);
  if (!read.ok() || !read->IsObject() || !id) return std::string(standpoint);
  auto &allocator = read->GetAllocator();
  if (JsonArray(&read.value(), kOwn) == nullptr) {
    read->RemoveMember(kOwn);
    read->AddMember(rapidjson::StringRef(kOwn), JsonValue(rapidjson::kArrayType), allocator);
  }
  JsonValue window(rapidjson::kArrayType);
  window.PushBack(*id, allocator).PushBack(*id + 1, allocator);
  (*read)[kOwn].PushBack(window, allocator);
  return Written(*read);
}

std::string MovedOn(std::string_view standpoint, std::string_view transaction_id) {
  Result<JsonDocument> read = ParseJson(standpoint);
  const std::optional<int64_t> id = ReadId(transaction_id);
  if (!read.ok() || !id || JsonString(&read.value(), kNextXid) != transaction_id)
    return std::string(standpoint);
  const std::string next = std::to_string(*id + 1);
  (*read)[kNextXid].SetString(next.c_str(), static_cast<rapidjson::SizeType>(next.size()),
                              read->GetAllocator());
  return Written(*read);
}

std::string OwnTransactions(std::string_view standpoint) {
  Result<JsonDocument> read = ParseJson(standpoint);
  const JsonValue *own = read.ok() ? JsonArray(&read.value(), kOwn) : nullptr;
  std::string windows;
  if (own == nullptr) return windows;
  for (const JsonValue &window : own->GetArray()) {
    const bool pair =
        window.IsArray() && window.Size() == 2 && window[0].IsInt64() && window[1].IsInt64();
    if (!pair) continue;
    windows += (windows.empty() ? "[" : ",[") + std::to_string(window[0].GetInt64()) + "," +
               std::to_string(window[1].GetInt64()) + "]";
  }
  return windows;
}

}  // namespace agent_branch
