#include <algorithm>

#include "emulator/handlers.hpp"
#include "emulator/render.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {

// Newest first. The cursor is the number of the last operation given.
Response ListOperations(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  size_t limit = LimitParameter(call, 1000, 100);
  int64_t before = INT64_MAX;
  if (auto cursor = call.Query("cursor"); cursor && !cursor->empty()) {
    std::string text = DecodeCursor(*cursor).value_or("");
    bool digits =
        !text.empty() && text.size() < 18 &&
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits)
      throw ApiError(400, "invalid request: decode params: query: \"cursor\": malformed");
    before = std::stoll(text);
  }
  const auto &all = project.operations();
  auto end = std::lower_bound(
      all.begin(), all.end(), before,
      [](const OperationPtr &operation, int64_t number) { return operation->number < number; });
  JsonWriter json;
  json.BeginObject();
  json.BeginArray("operations");
  int64_t last = 0;
  for (size_t count = 0; end != all.begin() && count < limit; ++count) {
    --end;
    WriteOperation(json, **end);
    last = (*end)->number;
  }
  json.EndArray();
  // SDKs stop at an empty page or a missing cursor; the document wants a cursor in `pagination`.
  if (last > 0) {
    json.BeginObject("pagination");
    json.Field("cursor", EncodeCursor(std::to_string(last)));
    json.EndObject();
  }
  json.EndObject();
  return Answer(json);
}

Response GetOperation(Service &service, Call &call) {
  Project &project = service.RequireProject(call.arguments[0]);
  OperationPtr operation = project.FindOperation(call.arguments[1]);
  if (operation == nullptr) throw ApiError(404, "operation not found");
  JsonWriter json;
  json.BeginObject();
  json.Key("operation");
  WriteOperation(json, *operation);
  json.EndObject();
  return Answer(json);
}

}  // namespace agent_branch::emulator
