#include "worker/core/state/unsupported.hpp"

#include <string>

namespace agent_branch {
namespace {

Status NotSupported(const std::string &what, const char *hint) {
  return Status::Error("0A000", what + " is not supported yet", {}, hint);
}

std::string InQuotes(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

}  // namespace

Status CheckParentAccessSupported(std::string_view access) {
  if (access != "read_only") return {};
  return NotSupported("parent_access " + InQuotes(access), "Use \"none\" or \"full\".");
}

Status CheckOptionSupported(std::string_view key) {
  return NotSupported("option " + InQuotes(key), "Leave the option out.");
}

}  // namespace agent_branch
