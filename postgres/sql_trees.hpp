// SqlTrees by the server's raw parser and equal(); see worker/core/fixer/sql_trees.hpp.
//
// Serves the worker, backends and helper processes alike: no catalog is read, no transaction
// needed. What parsing allocates goes before each call returns. What the parser or equal() raises
// (nesting beyond the stack, no memory) is the answer no; an interrupt is passed on.
#pragma once

#include "worker/core/fixer/sql_trees.hpp"

namespace agent_branch {

class PostgresSqlTrees : public SqlTrees {
 public:
  Script Read(const std::string &sql) override;
  std::optional<size_t> FindSyntaxError(const std::string &sql) override;
  bool Same(const std::string &one, const std::string &other) override;
  bool CreatesTheSame(const std::string &statement, const std::string &definition) override;
};

}  // namespace agent_branch
