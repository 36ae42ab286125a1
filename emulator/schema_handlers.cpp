#include "emulator/handlers.hpp"
#include "emulator/json.hpp"
#include "emulator/render.hpp"

namespace agent_branch::emulator {
namespace {

std::string RequireDatabaseParameter(const Call &call) {
  auto database = call.Query("db_name");
  if (!database || database->empty()) {
    throw ApiError(400, "invalid request: decode params: query: \"db_name\": field required");
  }
  for (const char *name : {"lsn", "timestamp", "base_lsn", "base_timestamp"}) {
    if (call.Query(name)) {
      throw ApiError(
          422, std::string("neon-emulator knows the schema at the head only, not at a ") + name);
    }
  }
  return *database;
}

void AnswerDump(const Dump &dump, const char *member, const Reply &reply) {
  if (!dump.error.empty()) {
    bool unknown = dump.error.find("does not exist") != std::string::npos;
    return reply(ErrorResponse(unknown ? ApiError(404, "database not found")
                                       : ApiError(500, "schema: " + dump.error)));
  }
  JsonWriter json;
  json.BeginObject();
  json.Field(member, dump.sql);
  json.EndObject();
  reply(Answer(json));
}

}  // namespace

void GetBranchSchema(Service &service, Call &call, Reply reply) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  std::string database = RequireDatabaseParameter(call);
  std::string format = call.Query("format").value_or("sql");
  if (format != "sql") {
    throw ApiError(422, "neon-emulator gives a schema with format=sql only");
  }
  service.RequireReady(branch);
  service.engine.DumpSchema(branch.timeline, database,
                            [reply](const Dump &dump) { AnswerDump(dump, "sql", reply); });
}

void CompareBranchSchema(Service &service, Call &call, Reply reply) {
  Project &project = service.RequireProject(call.arguments[0]);
  Branch &branch = service.RequireBranch(project, call.arguments[1]);
  std::string database = RequireDatabaseParameter(call);
  std::string base_id = call.Query("base_branch_id").value_or(branch.parent_id);
  if (base_id.empty()) throw ApiError(422, "the branch has no parent: base_branch_id is required");
  Branch &base = service.RequireBranch(project, base_id);
  service.RequireReady(branch);
  service.RequireReady(base);
  service.engine.CompareSchemas(base.timeline, branch.timeline, database,
                                [reply](const Dump &dump) { AnswerDump(dump, "diff", reply); });
}

}  // namespace agent_branch::emulator
