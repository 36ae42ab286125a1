// What a statement makes, held against what is on the branch already.
#pragma once

#include "worker/core/fixer/statement_repair.hpp"

namespace agent_branch {

// What the statement makes is there already, and is the same in every respect.
bool IsThereAlready(const CheckedStatement &statement, const CheckScene &scene);

// Nothing of that name is there, or the same: so IF NOT EXISTS makes no difference.
bool IsNewOrTheSame(const CheckedStatement &statement, const CheckScene &scene);

// The same of the column that an ALTER TABLE adds, whose name is the token `at` of its text.
bool IsNewOrTheSameColumn(const CheckedStatement &statement, const TokenText &text, size_t at,
                          const CheckScene &scene);

}  // namespace agent_branch
