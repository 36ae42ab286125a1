// Arguments of SQL functions as C++ values, read before anything else is done.
//
// The functions are not STRICT: an argument that must not be null raises 22004 and is named.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postgres/guard.hpp"
#include "postgres/server.hpp"

namespace agent_branch {

std::string RequiredText(FunctionCallInfo fcinfo, int number, const char *name);
std::optional<std::string> OptionalText(FunctionCallInfo fcinfo, int number);
std::string RequiredJson(FunctionCallInfo fcinfo, int number, const char *name);
bool RequiredBool(FunctionCallInfo fcinfo, int number, const char *name);
std::vector<std::string> RequiredTexts(FunctionCallInfo fcinfo, int number, const char *name);
// Microseconds, a month being 30 days and a day 24 hours; too long ones are cut to the longest.
int64_t RequiredDuration(FunctionCallInfo fcinfo, int number, const char *name);
std::optional<int64_t> OptionalDuration(FunctionCallInfo fcinfo, int number);

// Reads an interval's text as SQL does; `what` names it in the error (22023).
int64_t DurationOf(const std::string &what, const std::string &text);

Datum TextResult(const std::string &text);

}  // namespace agent_branch
