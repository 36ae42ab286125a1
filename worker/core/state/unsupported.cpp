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

Status CheckStrategySupported(std::string_view strategy) {
  if (strategy == "auto" || strategy == "restore") return {};
  return NotSupported("merge strategy " + InQuotes(strategy), "Use \"auto\" or \"restore\".");
}

Status CheckOnDriftSupported(std::string_view on_drift) {
  if (on_drift == "fail") return {};
  return NotSupported("on_drift " + InQuotes(on_drift), "Use \"fail\".");
}

Status CheckOnUnrecordedSupported(std::string_view on_unrecorded) {
  if (on_unrecorded == "fail") return {};
  return NotSupported("on_unrecorded " + InQuotes(on_unrecorded), "Use \"fail\".");
}

Status CheckParentAccessSupported(std::string_view access) {
  if (access != "read_only") return {};
  return NotSupported("parent_access " + InQuotes(access), "Use \"none\" or \"full\".");
}

Status CheckOptionSupported(std::string_view key) {
  return NotSupported("option " + InQuotes(key), "Leave the option out.");
}

Status CheckRequestSupported(std::string_view kind) {
  if (kind == "preview")
    return NotSupported("agent_merge_preview()", "agent_merge() refuses what cannot be merged.");
  if (kind == "undo")
    return NotSupported(
        "agent_merge_undo()",
        "Option \"undo_window\" of the project keeps the backup that a merge made.");
  if (kind == "rebase")
    return NotSupported("agent_rebase()",
                        "Discard the session, and run its migrations in a new one.");
  return {};
}

}  // namespace agent_branch
