// StatementCheck by PostgreSQL's own parser.
#pragma once

#include "worker/core/statement_check.hpp"

namespace agent_branch {

class StatementParser : public StatementCheck {
 public:
  Status Check(const std::string &sql) override;
};

}  // namespace agent_branch
