// The fields that --keep keeps, listed once for writing and reading: Fields(archive, thing) hands
// each to the archive with its name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emulator/json.hpp"
#include "emulator/model.hpp"

namespace agent_branch::emulator {

template <class Archive>
void Fields(Archive &archive, Role &role) {
  archive("name", role.name);
  archive("password", role.password);
  archive("created_at", role.created_at);
  archive("updated_at", role.updated_at);
}

template <class Archive>
void Fields(Archive &archive, Database &database) {
  archive("id", database.id);
  archive("name", database.name);
  archive("owner_name", database.owner_name);
  archive("created_at", database.created_at);
  archive("updated_at", database.updated_at);
}

template <class Archive>
void Fields(Archive &archive, Branch &branch) {
  archive("id", branch.id);
  archive("name", branch.name);
  archive("parent_id", branch.parent_id);
  archive("parent_lsn", branch.parent_lsn);
  archive("parent_timestamp", branch.parent_timestamp);
  archive("current_state", branch.current_state);
  archive("pending_state", branch.pending_state);
  archive("state_changed_at", branch.state_changed_at);
  archive("is_default", branch.is_default);
  archive("is_protected", branch.is_protected);
  archive("is_pinned", branch.is_pinned);
  archive("init_source", branch.init_source);
  archive("created_at", branch.created_at);
  archive("updated_at", branch.updated_at);
  archive("expires_at", branch.expires_at);
  archive("ttl_seconds", branch.ttl_seconds);
  archive("last_reset_at", branch.last_reset_at);
  archive("annotation", branch.annotation);
  archive("roles", branch.roles);
  archive("databases", branch.databases);
  archive("timeline", branch.timeline);
  archive("is_deleting", branch.is_deleting);
}

template <class Archive>
void Fields(Archive &archive, Endpoint &endpoint) {
  archive("id", endpoint.id);
  archive("branch_id", endpoint.branch_id);
  archive("name", endpoint.name);
  archive("type", endpoint.type);
  archive("host", endpoint.host);
  archive("pooler_host", endpoint.pooler_host);
  archive("min_cu", endpoint.min_cu);
  archive("max_cu", endpoint.max_cu);
  archive("suspend_timeout_seconds", endpoint.suspend_timeout_seconds);
  archive("provisioner", endpoint.provisioner);
  archive("settings", endpoint.settings);
  archive("disabled", endpoint.disabled);
  archive("passwordless_access", endpoint.passwordless_access);
  archive("current_state", endpoint.current_state);
  archive("pending_state", endpoint.pending_state);
  archive("is_deleting", endpoint.is_deleting);
  archive("created_at", endpoint.created_at);
  archive("updated_at", endpoint.updated_at);
  archive("started_at", endpoint.started_at);
  archive("suspended_at", endpoint.suspended_at);
}

template <class Archive>
void Fields(Archive &archive, Operation &operation) {
  archive("number", operation.number);
  archive("id", operation.id);
  archive("project_id", operation.project_id);
  archive("branch_id", operation.branch_id);
  archive("endpoint_id", operation.endpoint_id);
  archive("other_branch_id", operation.other_branch_id);
  archive("action", operation.action);
  archive("status", operation.status);
  archive("error", operation.error);
  archive("failures_count", operation.failures_count);
  archive("created_at", operation.created_at);
  archive("updated_at", operation.updated_at);
  archive("total_duration_ms", operation.total_duration_ms);
}

// What a project consists of; the model's own bookkeeping is made again from it.
struct ProjectParts {
  std::string id;
  std::string name;
  Microseconds created_at = 0;
  Microseconds updated_at = 0;
  int64_t history_retention_seconds = 0;
  int pg_version = 0;
  std::vector<Branch> branches;
  std::vector<Endpoint> endpoints;
  std::vector<Operation> operations;
};

template <class Archive>
void Fields(Archive &archive, ProjectParts &project) {
  archive("id", project.id);
  archive("name", project.name);
  archive("created_at", project.created_at);
  archive("updated_at", project.updated_at);
  archive("history_retention_seconds", project.history_retention_seconds);
  archive("pg_version", project.pg_version);
  archive("branches", project.branches);
  archive("endpoints", project.endpoints);
  archive("operations", project.operations);
}

class FieldWriter {
 public:
  template <class Value>
  void operator()(const char *name, Value &value) {
    json_.Key(name);
    Put(value);
  }
  template <class Thing>
  std::string Write(Thing &thing) {
    Put(thing);
    return json_.Take();
  }

 private:
  void Put(std::string &value) { json_.Text(value); }
  void Put(int64_t value) { json_.Integer(value); }
  void Put(int value) { json_.Integer(value); }
  void Put(bool value) { json_.Bool(value); }
  void Put(double value) { json_.Double(value); }
  void Put(std::optional<Microseconds> &value) { value ? json_.Integer(*value) : json_.Null(); }
  void Put(std::map<std::string, std::string> &values) {
    json_.BeginObject();
    for (auto &[key, value] : values)
      json_.Field(key, value);
    json_.EndObject();
  }
  template <class Element>
  void Put(std::vector<Element> &values) {
    json_.BeginArray();
    for (Element &value : values)
      Put(value);
    json_.EndArray();
  }
  template <class Thing>
  void Put(Thing &thing) {
    json_.BeginObject();
    Fields(*this, thing);
    json_.EndObject();
  }

  JsonWriter json_;
};

// A field that is missing or of another type throws (json.hpp).
class FieldReader {
 public:
  explicit FieldReader(const rapidjson::Value &object) : object_(object) {}

  template <class Value>
  void operator()(const char *name, Value &value) {
    Get(object_[name], value);
  }

 private:
  static void Get(const rapidjson::Value &json, std::string &value) {
    value.assign(json.GetString(), json.GetStringLength());
  }
  static void Get(const rapidjson::Value &json, int64_t &value) { value = json.GetInt64(); }
  static void Get(const rapidjson::Value &json, int &value) { value = json.GetInt(); }
  static void Get(const rapidjson::Value &json, bool &value) { value = json.GetBool(); }
  static void Get(const rapidjson::Value &json, double &value) { value = json.GetDouble(); }
  static void Get(const rapidjson::Value &json, std::optional<Microseconds> &value) {
    value.reset();
    if (!json.IsNull()) value = json.GetInt64();
  }
  static void Get(const rapidjson::Value &json, std::map<std::string, std::string> &values) {
    for (const auto &member : json.GetObject())
      Get(member.value, values[member.name.GetString()]);
  }
  template <class Element>
  static void Get(const rapidjson::Value &json, std::vector<Element> &values) {
    for (const rapidjson::Value &element : json.GetArray())
      Get(element, values.emplace_back());
  }
  template <class Thing>
  static void Get(const rapidjson::Value &json, Thing &thing) {
    FieldReader reader(json);
    Fields(reader, thing);
  }

  const rapidjson::Value &object_;
};

}  // namespace agent_branch::emulator
