// The check of a fix as a function of values: question in, verdict out.
//
// Both can be written down, so that the check may run wherever PostgreSQL's parser is: in a
// backend, or in a helper process that can be given up when a text takes too long.
#pragma once

#include <string>
#include <vector>

#include "worker/core/fixer/intent.hpp"
#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

struct FixQuestion {
  std::string original;
  std::string fix;
  // Of the original first, then of the fixes that were run in its place; only the first one's
  // place, line and column in the original, is looked at.
  std::vector<ServerError> errors;
  int statement = 0;  // of the original that failed, from 1; 0: not known
  std::string facts;  // see fix_facts.hpp; empty: nothing is known of the branch
};

// As JSON objects. Fails with 22P02.
std::string EncodeFixQuestion(const FixQuestion &question);
Result<FixQuestion> DecodeFixQuestion(std::string_view json);
std::string EncodeIntent(const Intent &intent);
Result<Intent> DecodeIntent(std::string_view json);

class FixJudge {
 public:
  virtual ~FixJudge() = default;
  virtual Intent Judge(const FixQuestion &question) = 0;
};

}  // namespace agent_branch
