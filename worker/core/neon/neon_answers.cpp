#include <algorithm>
#include <optional>
#include <utility>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxErrorText = 500;
constexpr int64_t kLongestOperation = 86'400'000;  // milliseconds; what is longer is no duration

Status Malformed(const char *what) {
  return Status::Error("08P01", std::string("the Neon API's answer has no ") + what,
                       "The answer is JSON, but not of the documented shape.");
}

// An id or a time: stored as it is and sent back as it is, so it has to be fit for both. What could
// be neither at Neon is read as missing.
std::string ReadWord(const JsonValue *object, const char *name) {
  constexpr size_t kLongest = 128;
  std::string word = JsonString(object, name);
  bool fit = word.size() <= kLongest &&
             std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c < 0x7F; });
  return fit ? word : std::string();
}

Secret ReadUri(const JsonValue *object, const char *name) {
  std::string uri = JsonString(object, name);
  bool fit =
      std::none_of(uri.begin(), uri.end(), [](unsigned char c) { return c <= ' ' || c == 0x7F; });
  return fit ? Secret(std::move(uri)) : Secret();
}

NeonBranch ReadBranch(const JsonValue *value) {
  NeonBranch branch;
  branch.id = ReadWord(value, "id");
  branch.name = JsonString(value, "name");
  branch.parent_id = ReadWord(value, "parent_id");
  branch.current_state = ReadWord(value, "current_state");
  branch.last_reset_at = ReadWord(value, "last_reset_at");
  branch.created_at = ReadWord(value, "created_at");
  branch.expires_at = ReadWord(value, "expires_at");
  branch.is_default = JsonBool(value, "default") || JsonBool(value, "primary");
  branch.is_protected = JsonBool(value, "protected");
  branch.logical_size = JsonInteger(value, "logical_size");
  branch.compute_seconds = JsonInteger(value, "compute_time_seconds").value_or(0);
  return branch;
}

void ReadAnnotation(const JsonValue *annotation, NeonBranch *branch) {
  const JsonValue *values = JsonMember(annotation, "value");
  if (values == nullptr || !values->IsObject()) return;
  for (const auto &member : values->GetObject()) {
    if (!member.value.IsString()) continue;
    std::string key(member.name.GetString(), member.name.GetStringLength());
    branch->annotation[key] = std::string(member.value.GetString(), member.value.GetStringLength());
  }
}

NeonOperation ReadOperation(const JsonValue *value) {
  NeonOperation operation;
  operation.id = ReadWord(value, "id");
  operation.branch_id = ReadWord(value, "branch_id");
  operation.action = ReadWord(value, "action");
  operation.status = ReadWord(value, "status");
  operation.error = CleanText(JsonString(value, "error"), kMaxErrorText);
  const std::optional<int64_t> took = JsonInteger(value, "total_duration_ms");
  if (took && *took >= 0 && *took <= kLongestOperation)
    operation.took = std::chrono::milliseconds(*took);
  return operation;
}

std::vector<NeonOperation> ReadOperations(const JsonValue *object) {
  std::vector<NeonOperation> operations;
  const JsonValue *array = JsonArray(object, "operations");
  if (array == nullptr) return operations;
  for (const JsonValue &value : array->GetArray()) {
    NeonOperation operation = ReadOperation(&value);
    if (!operation.id.empty()) operations.push_back(std::move(operation));
  }
  return operations;
}

std::string ReadWriteEndpoint(const JsonValue *object) {
  const JsonValue *array = JsonArray(object, "endpoints");
  if (array == nullptr) return {};
  for (const JsonValue &value : array->GetArray()) {
    if (JsonString(&value, "type") == "read_write") return ReadWord(&value, "id");
  }
  return {};
}

std::vector<NeonConnectionUri> ReadUris(const JsonValue *object) {
  std::vector<NeonConnectionUri> uris;
  const JsonValue *array = JsonArray(object, "connection_uris");
  if (array == nullptr) return uris;
  for (const JsonValue &value : array->GetArray()) {
    const JsonValue *parameters = JsonMember(&value, "connection_parameters");
    NeonConnectionUri uri{ReadUri(&value, "connection_uri"), JsonString(parameters, "database"),
                          JsonString(parameters, "role"), JsonString(parameters, "host"),
                          JsonString(parameters, "pooler_host")};
    if (!uri.uri.empty()) uris.push_back(std::move(uri));
  }
  return uris;
}

}  // namespace

bool NeonOperation::ended() const {
  return succeeded() || status == "failed" || status == "error" || status == "cancelled";
}

bool NeonOperation::succeeded() const {
  return status == "finished" || status == "skipped";
}

Result<NeonChange> ParseChange(std::string_view body) {
  // DELETE may answer 204, or 200 with nothing in it.
  if (body.empty()) return NeonChange{};
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  const JsonValue *root = &document.value();
  // Without it nobody could tell when the change is over.
  if (JsonArray(root, "operations") == nullptr) return Malformed("list of operations");
  NeonChange change;
  change.branch = ReadBranch(JsonMember(root, "branch"));
  change.endpoint_id = ReadWriteEndpoint(root);
  change.operations = ReadOperations(root);
  change.uris = ReadUris(root);
  return change;
}

Result<NeonBranch> ParseBranch(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  const JsonValue *root = &document.value();
  NeonBranch branch = ReadBranch(JsonMember(root, "branch"));
  if (branch.id.empty()) return Malformed("branch");
  ReadAnnotation(JsonMember(root, "annotation"), &branch);
  return branch;
}

Result<NeonBranchPage> ParseBranchPage(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  const JsonValue *root = &document.value();
  const JsonValue *array = JsonArray(root, "branches");
  if (array == nullptr) return Malformed("list of branches");
  const JsonValue *annotations = JsonMember(root, "annotations");
  NeonBranchPage page;
  for (const JsonValue &value : array->GetArray()) {
    NeonBranch branch = ReadBranch(&value);
    if (branch.id.empty()) return Malformed("id for each branch");
    ReadAnnotation(JsonMember(annotations, branch.id.c_str()), &branch);
    page.branches.push_back(std::move(branch));
  }
  page.next = JsonString(JsonMember(root, "pagination"), "next");
  return page;
}

Result<std::string> ParseReadWriteEndpoint(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  if (JsonArray(&document.value(), "endpoints") == nullptr) return Malformed("list of endpoints");
  return ReadWriteEndpoint(&document.value());
}

Result<NeonEndpoint> ParseEndpoint(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  const JsonValue *root = &document.value();
  const JsonValue *member = JsonMember(root, "endpoint");
  NeonEndpoint endpoint{ReadWord(member, "id"), ReadWord(member, "host"),
                        !ReadOperations(root).empty()};
  if (endpoint.host.empty()) return Malformed("endpoint");
  return endpoint;
}

Result<std::string> ParseReadWriteHost(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  const JsonValue *array = JsonArray(&document.value(), "endpoints");
  if (array == nullptr) return Malformed("list of endpoints");
  for (const JsonValue &value : array->GetArray())
    if (JsonString(&value, "type") == "read_write") return ReadWord(&value, "host");
  return std::string();
}

Result<NeonOperationPage> ParseOperationPage(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  if (JsonArray(&document.value(), "operations") == nullptr) {
    return Malformed("list of operations");
  }
  const JsonValue *pagination = JsonMember(&document.value(), "pagination");
  return NeonOperationPage{ReadOperations(&document.value()), JsonString(pagination, "cursor")};
}

Result<NeonOperation> ParseOperation(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  NeonOperation operation = ReadOperation(JsonMember(&document.value(), "operation"));
  if (operation.id.empty()) return Malformed("operation");
  return operation;
}

Result<Secret> ParseConnectionUri(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return document.status();
  Secret uri = ReadUri(&document.value(), "uri");
  if (uri.empty()) return Malformed("connection URI");
  return uri;
}

Secret WithHost(const Secret &uri, std::string_view host, std::string_view pooler_host) {
  if (host.empty() || pooler_host.empty()) return Secret();
  std::string text(uri.Reveal());
  // The first "@" before any "/" ends the credentials, as libpq reads them. One that comes later
  // belongs to the database's name or to a parameter.
  size_t authority = text.find("://");
  if (authority == std::string::npos) return Secret();
  size_t at = text.find_first_of("@/", authority + 3);
  bool stands_there =
      at != std::string::npos && text[at] == '@' && text.compare(at + 1, host.size(), host) == 0;
  if (!stands_there) return Secret();
  char after = at + 1 + host.size() < text.size() ? text[at + 1 + host.size()] : '/';
  bool whole_host = after == '/' || after == ':' || after == '?';
  if (!whole_host) return Secret();
  return Secret(text.replace(at + 1, host.size(), pooler_host));
}

namespace {

// Where the role and password of a URI begin, and where the "@" behind them is; nothing: it has
// none.
std::optional<std::pair<size_t, size_t>> LoginIn(std::string_view uri) {
  const size_t authority = uri.find("://");
  if (authority == std::string_view::npos) return std::nullopt;
  const size_t begin = authority + 3;
  const size_t at = uri.find_first_of("@/?", begin);
  if (at == std::string_view::npos || uri[at] != '@' || at == begin) return std::nullopt;
  return std::make_pair(begin, at);
}

}  // namespace

Secret WithLogin(const Secret &uri, std::string_view role, const Secret &password) {
  const auto login = LoginIn(uri.Reveal());
  if (!login) return Secret();
  std::string text(uri.Reveal().substr(0, login->first));
  text.append(role)
      .append(":")
      .append(password.Reveal())
      .append(uri.Reveal().substr(login->second));
  return Secret(std::move(text));
}

Secret WithLoginOf(const Secret &uri, const Secret &other) {
  const auto login = LoginIn(uri.Reveal());
  const auto others = LoginIn(other.Reveal());
  if (!login || !others) return Secret();
  std::string text(uri.Reveal().substr(0, login->first));
  text.append(other.Reveal().substr(others->first, others->second - others->first))
      .append(uri.Reveal().substr(login->second));
  return Secret(std::move(text));
}

NeonError ParseNeonError(std::string_view body) {
  Result<JsonDocument> document = ParseJson(body);
  if (!document.ok()) return {};
  return {CleanText(JsonString(&document.value(), "code"), kMaxErrorText),
          CleanText(JsonString(&document.value(), "message"), kMaxErrorText)};
}

}  // namespace agent_branch
