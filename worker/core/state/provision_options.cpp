#include "worker/core/state/provision_options.hpp"

#include "worker/core/base/json.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

constexpr int64_t kOldestPostgres = 14;  // that Neon makes
constexpr int64_t kNewestPostgres = 18;
constexpr char kProduction[] = "production";

Status WrongType(const char *key, const char *wanted) {
  return Status::Error("42804", std::string("option \"") + key + "\" must be " + wanted, {},
                       "Mind that JSON has numbers without quotes.");
}

// Takes a text out of the options; what is not there stays as it was.
Status TakeText(const char *key, JsonDocument *options, std::string *text) {
  const auto member = options->FindMember(key);
  if (member == options->MemberEnd()) return {};
  if (!member->value.IsString()) return WrongType(key, "a string");
  text->assign(member->value.GetString(), member->value.GetStringLength());
  options->RemoveMember(member);
  return CheckProjectText(key, *text);
}

Status TakeVersion(JsonDocument *options, int64_t *version) {
  const auto member = options->FindMember("pg_version");
  if (member == options->MemberEnd()) return {};
  if (!member->value.IsInt64()) return WrongType("pg_version", "an integer");
  *version = member->value.GetInt64();
  options->RemoveMember(member);
  if (*version >= kOldestPostgres && *version <= kNewestPostgres) return {};
  return Status::Error("22023", "option \"pg_version\" must be from 14 to 18",
                       "It is " + std::to_string(*version) + ".",
                       "Give a major version of PostgreSQL, or leave the option out.");
}

std::string Written(const JsonValue &value) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  value.Accept(writer);
  return buffer.GetString();
}

}  // namespace

Result<ProvisionOptions> CheckProvisionOptions(std::string_view json) {
  Result<JsonDocument> parsed = ParseJson(json);
  const bool is_object = parsed.ok() && parsed->IsObject();
  if (!is_object)
    return Status::Error("42804", "options must be a JSON object", {},
                         "Give an object, such as {\"region\": \"aws-eu-central-1\"}.");
  JsonDocument &options = parsed.value();
  ProvisionOptions wanted;
  std::string production = kProduction;
  std::string region;
  std::string organization;
  int64_t version = 0;
  for (const auto &[key, text] : {std::pair<const char *, std::string *>{"parent", &wanted.parent},
                                  {"database", &wanted.database},
                                  {"role", &wanted.role},
                                  {"production", &production},
                                  {"region", &region},
                                  {"organization", &organization}}) {
    if (Status status = TakeText(key, &options, text); !status.ok()) return status;
  }
  if (Status status = TakeVersion(&options, &version); !status.ok()) return status;
  if (production == wanted.parent)
    return Status::Error("22023", "options \"parent\" and \"production\" must differ",
                         "Both are \"" + production + "\".",
                         "Sessions fork from the parent, a branch of its own below production.");
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteMember(writer, "production", production);
  if (!region.empty()) WriteMember(writer, "region", region);
  if (!organization.empty()) WriteMember(writer, "organization", organization);
  if (version != 0) {
    writer.Key("pg_version");
    writer.Int64(version);
  }
  writer.EndObject();
  wanted.wish = buffer.GetString();
  wanted.project_options = Written(options);
  return wanted;
}

}  // namespace agent_branch
