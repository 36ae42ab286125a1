// The parts of requests that several routes share: bodies, endpoints' settings, times, paging.
#pragma once

#include <optional>
#include <string>

#include "emulator/call.hpp"
#include "emulator/clock.hpp"
#include "emulator/json.hpp"
#include "emulator/service.hpp"

namespace agent_branch::emulator {

// The request's body; an empty object when it is empty and that is allowed.
rapidjson::Document ParseBody(const Call &call, bool may_be_empty = false);

std::optional<Microseconds> TimeField(const ObjectReader &object, const char *name);

// expires_at: in the future, at most 30 days ahead; nothing when the field is missing.
std::optional<Microseconds> ExpiryField(const ObjectReader &object);

// Fills what the object says about a compute. `has_plan_gated` becomes true when it names a
// suspend_timeout_seconds, which some plans refuse.
void ReadComputeFields(const ObjectReader &object, EndpointWish *wish, bool *has_plan_gated);

void RequirePlanAllows(const Service &service, bool has_plan_gated);  // 412

std::string NameField(const ObjectReader &object, const char *name, size_t longest);

int64_t LimitParameter(const Call &call, int64_t greatest, int64_t otherwise);

std::string EncodeCursor(const std::string &text);                 // base64
std::optional<std::string> DecodeCursor(const std::string &text);  // nothing when it is none

std::string QuoteName(const std::string &name);     // "…" for SQL
std::string QuoteLiteral(const std::string &text);  // '…' for SQL

}  // namespace agent_branch::emulator
