// What may not stand in a migration, found before anything of it runs.
#pragma once

#include <string>

#include "worker/core/status.hpp"

namespace agent_branch {

class StatementCheck {
 public:
  virtual ~StatementCheck() = default;
  // Refuses transaction control, since a migration is one transaction, and COPY from or to the
  // client, which is not there. Text that cannot be parsed here passes: the branch's server is the
  // judge, and may be of another version.
  virtual Status Check(const std::string &sql) = 0;
};

}  // namespace agent_branch
