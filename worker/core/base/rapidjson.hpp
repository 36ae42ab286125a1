// RapidJSON as this project uses it; nothing includes its headers but through this file.
//
// Its assertions abort the process by default (a wrong accessor on a value of another type is
// enough), and an abort in a backend or a worker restarts the whole cluster: here they throw, and
// the guards at PostgreSQL's boundary turn that into an error. Its default parser recurses: text
// from outside is parsed with kJsonParseFlags, which does not. Its own Accept() still does, so what
// came from outside is never written back with it.
//
// The namespace is ours, because extensions share one symbol table.
#pragma once

#include <stdexcept>

#define RAPIDJSON_NAMESPACE agent_branch_rapidjson
#define RAPIDJSON_HAS_STDSTRING 1
#define RAPIDJSON_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : throw std::logic_error("JSON value of another type"))
// Where RapidJSON promises not to throw, nothing is checked.
#define RAPIDJSON_NOEXCEPT_ASSERT(condition) static_cast<void>(0)

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace agent_branch {

namespace rapidjson = agent_branch_rapidjson;

// Not with kParseFullPrecisionFlag: that reads 0e38 by counting the leading zeros of 0, which C++
// leaves undefined. Without it numbers of up to 15 digits are exact, and those we read have fewer.
constexpr unsigned kJsonParseFlags = agent_branch_rapidjson::kParseIterativeFlag;

}  // namespace agent_branch
