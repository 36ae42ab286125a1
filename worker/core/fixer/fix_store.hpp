// What the fixer reads and calls in the control database; what it writes goes with the batch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "worker/core/fixer/fix_budget.hpp"
#include "worker/core/flow/helper_task.hpp"

namespace agent_branch {

struct TriedFix {
  int number = 0;
  std::string made_by;
  std::string sql;
  ServerError error;   // when the branch rejected it
  std::string reason;  // when it was refused, or the one that the error says
};

// What has been done to mend one migration since the agent gave its text.
struct FixHistory {
  int64_t migration_id = 0;
  int64_t session_id = 0;
  int original_number = 1;  // of the agent's text, among the migration's attempts
  std::string original;
  ServerError error;             // of the original
  int statement = 0;             // that failed, from 1; 0: it is not known which
  std::vector<TriedFix> tried;   // the oldest first
  int last_attempt = 1;          // the highest number of a text
  int unusable = 0;              // answers with no text in them
  int interrupted = 0;           // calls of a model whose answer was not recorded
  int function_interrupted = 0;  // the same of the project's function
  std::vector<int64_t> open_calls;
  bool memory_asked = false;
  bool function_ended = false;  // it gave no text, or an error, or its answer was lost twice
  std::vector<std::string> earlier_migrations;
  std::string hints;  // the project's conventions, by those who registered it
  FixSpending spent;  // of the session
  FixQuota quota;
};

struct RememberedFix {
  int64_t id = 0;
  std::string original;
  std::string fix;
};

class FixStore {
 public:
  virtual ~FixStore() = default;
  virtual int64_t LastFixCallId() = 0;
  virtual Result<FixHistory> ReadFixHistory(int64_t migration_id) = 0;
  // The best first; of this project only, since texts are not to be shown to another one.
  virtual Result<std::vector<RememberedFix>> RememberedFixes(int64_t project_id,
                                                             const std::string &signature) = 0;
  // The call of the project's function that is to be made about this failure, as the role that
  // registered the project.
  virtual Result<HelperTask> FixFunctionCall(const FixHistory &history,
                                             const std::string &function) = 0;
};

}  // namespace agent_branch
