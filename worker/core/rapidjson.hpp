// The one place that includes RapidJSON.
//
// Its assertions abort by default, which in the worker would restart the user's whole cluster: here
// they do nothing, and every access goes through json.hpp, which looks before it touches. The
// namespace is our own, so that another module in the same server process with another RapidJSON
// cannot share symbols with ours. Parsing is iterative: nested input must not use up the stack.
#pragma once

#define RAPIDJSON_ASSERT(condition) ((void)0)
#define RAPIDJSON_NOEXCEPT_ASSERT(condition) ((void)0)
#define RAPIDJSON_NAMESPACE agent_branch_rapidjson
#define RAPIDJSON_NAMESPACE_BEGIN namespace agent_branch_rapidjson {
#define RAPIDJSON_NAMESPACE_END }
#define RAPIDJSON_HAS_STDSTRING 1

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wclass-memaccess"
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#pragma GCC diagnostic pop

namespace agent_branch {

namespace rapidjson = agent_branch_rapidjson;

constexpr unsigned kJsonParseFlags =
    rapidjson::kParseIterativeFlag | rapidjson::kParseFullPrecisionFlag;

}  // namespace agent_branch
