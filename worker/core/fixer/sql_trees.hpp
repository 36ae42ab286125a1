// What the check of a fix asks of PostgreSQL's own parser.
//
// Trees exist only where the server's parser is; here they are questions about texts, so that the
// check itself is plain C++ and a function of its texts alone. An implementation looks at no
// catalog, bounds what it is given, and lets an interrupt through.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "worker/core/script/script.hpp"

namespace agent_branch {

class SqlTrees : public ScriptReader {
 public:
  // The byte at which the parser stops; nothing when the text parses. An error without a place is
  // at the text's beginning.
  virtual std::optional<size_t> FindSyntaxError(const std::string &sql) = 0;

  // Whether both parse, and to equal trees: where a thing stands in its text is all that may
  // differ.
  virtual bool Same(const std::string &one, const std::string &other) = 0;

  // Whether the one CREATE TABLE or CREATE INDEX of `statement` makes what `definition`, made out
  // of the catalogs, describes. Names without a schema are those of the schema public. False where
  // it cannot be told.
  virtual bool CreatesTheSame(const std::string &statement, const std::string &definition) = 0;
};

}  // namespace agent_branch
