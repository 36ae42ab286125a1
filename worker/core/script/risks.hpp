// The guard: what a migration puts at risk, in the numbers of the branch that it is to run on.
//
// The script says what may be a risk, the branch how large the relations are (a kRisks task). What
// is harmless there is left out: a table that the migration itself makes, rows that are not, a
// rewrite or a lock of a table that is small.
#pragma once

#include <string>
#include <vector>

#include "worker/core/script/script.hpp"

namespace agent_branch {

// From here on a table is large: its lock, its rewrite, and checks of all its rows are told.
inline constexpr int64_t kLargeRows = 10'000;
inline constexpr int64_t kLargeBytes = 8 << 20;

// What is to be asked of the branch, as a JSON array; "" when there is nothing.
std::string RiskQuestions(const Script &script);

struct Risks {
  std::string json;  // an array, as agent_migrations.risks shows it
  Status refusal;    // why the migration must not run, or must not be committed; or ok()
  // The refusal is an error of the text, which a fixer may mend.
  bool repairable = false;
};
// answer: what the branch said to RiskQuestions(); "" when it said nothing, which counts for the
// worst. refused: the kinds of risk that the project does not allow.
Risks WeighRisks(const Script &script, const std::string &answer,
                 const std::vector<std::string> &refused);

// Among the settings of a task, has what its transaction does measured.
inline constexpr char kMeasureSetting[] = "SET LOCAL agent_branch_migration.measured = on";

// The same of what a transaction of a migration did, measured before its COMMIT, whatever its text
// is: `done` of its record, see branch/measure.hpp. earlier: the records of the migration's
// transactions before it, a comma between them: what they made is the migration's own. A record
// without that is refused where the project refuses anything.
Risks WeighRecord(const Script &script, const std::string &record, const std::string &earlier,
                  const std::vector<std::string> &refused);

// Both arrays as one. Of what was measured, kinds are left out that were told of before.
std::string JoinRisks(const std::string &told, const std::string &measured);

}  // namespace agent_branch
