#include <algorithm>

#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

// Neon's default is not documented; a client that does not page must still see all of a project
// with common limits, one that pages will say `limit`.
constexpr int64_t kDefaultLimit = 10'000;

bool Matches(const Branch &branch, const std::string &search) {
  if (branch.is_deleting) return false;
  if (search.empty()) return true;
  return branch.name.find(search) != std::string::npos ||
         branch.id.find(search) != std::string::npos;
}

// Compared as text, so that the cursor can carry it: times all have the same number of digits.
std::string SortKey(const Branch &branch, const std::string &sort_by) {
  std::string key = sort_by == "name"         ? branch.name
                    : sort_by == "created_at" ? std::to_string(branch.created_at)
                                              : std::to_string(branch.updated_at);
  return key + '\n' + branch.id;
}

std::string ChoiceParameter(const Call &call, const std::string &name, const std::string &otherwise,
                            std::initializer_list<std::string> choices) {
  std::string value = call.Query(name).value_or(otherwise);
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return value;
  throw ApiError(
      400, "invalid request: decode params: query: \"" + name + "\": invalid value: " + value);
}

}  // namespace

Response ListBranches(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  std::string sort_by =
      ChoiceParameter(call, "sort_by", "updated_at", {"name", "created_at", "updated_at"});
  bool descending = ChoiceParameter(call, "sort_order", "desc", {"asc", "desc"}) == "desc";
  size_t limit = LimitParameter(call, 10'000, kDefaultLimit);
  std::string search = call.Query("search").value_or("");
  auto cursor = DecodeCursor(call.Query("cursor").value_or(""));
  if (!cursor) throw ApiError(400, "invalid request: decode params: query: \"cursor\": malformed");

  std::vector<std::pair<std::string, Branch *>> rows;
  for (auto &[id, branch] : project.branches()) {
    if (!Matches(branch, search)) continue;
    std::string key = SortKey(branch, sort_by);
    bool beyond = cursor->empty() || (descending ? key < *cursor : key > *cursor);
    if (beyond) rows.emplace_back(std::move(key), &branch);
  }
  std::sort(rows.begin(), rows.end(), [descending](const auto &a, const auto &b) {
    return descending ? a.first > b.first : a.first < b.first;
  });
  if (rows.size() > limit) rows.resize(limit);

  JsonWriter json;
  json.BeginObject();
  json.BeginArray("branches");
  for (const auto &[key, branch] : rows)
    WriteBranch(json, project, *branch);
  json.EndArray();
  json.BeginObject("annotations");
  for (const auto &[key, branch] : rows) {
    if (branch->annotation.empty()) continue;
    json.Key(branch->id);
    WriteAnnotation(json, *branch);
  }
  json.EndObject();
  json.BeginObject("pagination");
  // As seen at Neon, the last page has a cursor too; what follows it is an empty page without one.
  if (!rows.empty()) json.Field("next", EncodeCursor(rows.back().first));
  json.Field("sort_by", sort_by);
  json.Field("sort_order", descending ? "DESC" : "ASC");
  json.EndObject();
  json.EndObject();
  return Answer(json);
}

Response CountBranches(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  std::string search = call.Query("search").value_or("");
  int64_t count = std::count_if(project.branches().begin(), project.branches().end(),
                                [&](const auto &entry) { return Matches(entry.second, search); });
  JsonWriter json;
  json.BeginObject();
  json.Field("count", count);
  json.EndObject();
  return Answer(json);
}

Response GetBranch(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  if (branch.hidden_gets > 0) {
    --branch.hidden_gets;
    throw ApiError(404, "branch not found");
  }
  JsonWriter json;
  json.BeginObject();
  json.Key("branch");
  WriteBranch(json, project, branch);
  json.Key("annotation");
  WriteAnnotation(json, branch);
  json.EndObject();
  return Answer(json);
}

}  // namespace agent_branch::emulator
