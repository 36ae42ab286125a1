// What agent_branch.doctor() cannot see with SQL: the library, and files as the server sees them.
#include "extension/arguments.hpp"
#include "postgres/key_file.hpp"
#include "postgres/shared_state.hpp"

namespace agent_branch {
namespace {

Datum Text(const std::string &text) {
  return CallPg([&] {
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
  });
}

Datum LibraryVersion(FunctionCallInfo) {
  return Text(AGENT_BRANCH_VERSION);
}

// Null: the worker can use it. The key itself goes nowhere.
Datum KeyFileProblem(FunctionCallInfo fcinfo) {
  const Result<KeyFile> read = ReadKeyFile(RequiredText(fcinfo, 0, "path"));
  if (!read.ok()) return Text(read.status().detail());
  fcinfo->isnull = true;
  return Datum{0};
}

}  // namespace
}  // namespace agent_branch

AGENT_BRANCH_FUNCTION(agent_branch_library_version, agent_branch::LibraryVersion)
AGENT_BRANCH_FUNCTION(agent_branch_key_file_problem, agent_branch::KeyFileProblem)
