// The forms that the original may take, statement by statement, before a fix is compared with it.
//
// What PostgreSQL says that one statement needs of another may stand in front of it; a column that
// is to be NOT NULL may get its values before it is; of two tables that refer to each other, one
// may get its key later. Each such form is made here out of the original's own text.
#pragma once

#include <vector>

#include "worker/core/fixer/statement_repair.hpp"

namespace agent_branch {

// The original as it is comes first. At most a few.
std::vector<std::vector<CheckedStatement>> FormsOf(const std::vector<CheckedStatement> &original,
                                                   const CheckScene &scene);

}  // namespace agent_branch
