// Reads a migration's text with PostgreSQL's own parser.
//
// Serves the worker and backends alike: it looks at no catalog and needs no transaction. Whatever
// the parser raises (a syntax error, nesting beyond the stack, no memory) means that the text is
// not known here; only an interrupt is passed on.
#pragma once

#include <string>

#include "worker/core/script/script.hpp"

namespace agent_branch {

// The major version of the parser that texts are read with here.
std::string ParserVersion();

class PostgresScriptReader : public ScriptReader {
 public:
  Script Read(const std::string &sql) override;
};

}  // namespace agent_branch
