#include "emulator/router.hpp"

#include <string_view>

#include "emulator/handlers.hpp"

namespace agent_branch::emulator {
namespace {

#define BRANCH "/projects/{}/branches/{}"
constexpr Route kRoutes[] = {
    {"GET", "/projects/{}/operations", ListOperations, nullptr},
    {"GET", "/projects/{}/operations/{}", GetOperation, nullptr},
    {"GET", "/projects/{}/branches", ListBranches, nullptr},
    {"POST", "/projects/{}/branches", CreateBranch, nullptr},
    {"GET", "/projects/{}/branches/count", CountBranches, nullptr},
    {"GET", BRANCH, GetBranch, nullptr},
    {"PATCH", BRANCH, UpdateBranch, nullptr},
    {"DELETE", BRANCH, DeleteBranch, nullptr},
    {"POST", BRANCH "/restore", RestoreBranch, nullptr},
    {"POST", BRANCH "/set_as_default", SetDefaultBranch, nullptr},
    {"GET", BRANCH "/schema", nullptr, GetBranchSchema},
    {"GET", BRANCH "/compare_schema", nullptr, CompareBranchSchema},
    {"GET", BRANCH "/endpoints", ListBranchEndpoints, nullptr},
    {"GET", BRANCH "/roles", ListRoles, nullptr},
    {"POST", BRANCH "/roles", CreateRole, nullptr},
    {"GET", BRANCH "/roles/{}", GetRole, nullptr},
    {"DELETE", BRANCH "/roles/{}", DeleteRole, nullptr},
    {"GET", BRANCH "/roles/{}/reveal_password", RevealPassword, nullptr},
    {"POST", BRANCH "/roles/{}/reset_password", ResetPassword, nullptr},
    {"GET", BRANCH "/databases", ListDatabases, nullptr},
    {"POST", BRANCH "/databases", CreateDatabase, nullptr},
    {"GET", BRANCH "/databases/{}", GetDatabase, nullptr},
    {"PATCH", BRANCH "/databases/{}", UpdateDatabase, nullptr},
    {"DELETE", BRANCH "/databases/{}", DeleteDatabase, nullptr},
    {"GET", "/projects/{}/endpoints", ListEndpoints, nullptr},
    {"POST", "/projects/{}/endpoints", CreateEndpoint, nullptr},
    {"GET", "/projects/{}/endpoints/{}", GetEndpoint, nullptr},
    {"PATCH", "/projects/{}/endpoints/{}", UpdateEndpoint, nullptr},
    {"DELETE", "/projects/{}/endpoints/{}", DeleteEndpoint, nullptr},
    {"POST", "/projects/{}/endpoints/{}/start", StartEndpoint, nullptr},
    {"POST", "/projects/{}/endpoints/{}/suspend", SuspendEndpoint, nullptr},
    {"POST", "/projects/{}/endpoints/{}/restart", RestartEndpoint, nullptr},
    {"GET", "/projects/{}/connection_uri", GetConnectionUri, nullptr},
    {"GET", "/projects", ListProjects, nullptr},
    {"POST", "/projects", CreateProject, nullptr},
    {"GET", "/projects/shared", ListSharedProjects, nullptr},
    {"GET", "/projects/{}", GetProject, nullptr},
    {"PATCH", "/projects/{}", UpdateProject, nullptr},
    {"DELETE", "/projects/{}", DeleteProject, nullptr},
    {"GET", "/users/me", GetCurrentUser, nullptr},
    {"GET", "/auth", GetAuthDetails, nullptr},
};
#undef BRANCH

// Segments are compared raw, so that an encoded slash in a role's name stays inside its segment.
bool Match(std::string_view pattern, std::string_view path, std::vector<std::string> *arguments) {
  arguments->clear();
  while (!pattern.empty() && !path.empty()) {
    size_t pattern_end = std::min(pattern.find('/', 1), pattern.size());
    size_t path_end = std::min(path.find('/', 1), path.size());
    std::string_view wanted = pattern.substr(1, pattern_end - 1);
    std::string_view given = path.substr(1, path_end - 1);
    if (wanted == "{}") {
      if (given.empty()) return false;
      arguments->push_back(DecodePercent(std::string(given), false));
    } else if (wanted != given) {
      return false;
    }
    pattern.remove_prefix(pattern_end);
    path.remove_prefix(path_end);
  }
  return pattern.empty() && path.empty();
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

const Route *FindRoute(const std::string &method, const std::string &path,
                       std::vector<std::string> *arguments) {
  for (const Route &route : kRoutes) {
    if (method == route.method && Match(route.pattern, path, arguments)) return &route;
  }
  return nullptr;
}

std::string DecodePercent(const std::string &text, bool plus_is_space) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    int high = text[i] == '%' && i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    int low = high >= 0 ? HexValue(text[i + 2]) : -1;
    if (low >= 0) {
      result += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      result += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::map<std::string, std::string> ParseQuery(const std::string &query) {
  std::map<std::string, std::string> result;
  size_t at = 0;
  while (at < query.size()) {
    size_t end = std::min(query.find('&', at), query.size());
    std::string item = query.substr(at, end - at);
    size_t equals = std::min(item.find('='), item.size());
    std::string value = equals < item.size() ? item.substr(equals + 1) : "";
    if (!item.empty()) {
      result[DecodePercent(item.substr(0, equals), true)] = DecodePercent(value, true);
    }
    at = end + 1;
  }
  return result;
}

}  // namespace agent_branch::emulator
