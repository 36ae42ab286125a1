#include "worker/core/fixer/fix_budget.hpp"

#include <algorithm>

namespace agent_branch {
namespace {

// Counts come from a server that may say anything.
constexpr int64_t kMostTokens = 100'000'000;

Status UsedUp(const char *what, const char *setting) {
  return Status::Error("53400", std::string("the session's fixer has used up its ") + what, {},
                       std::string("Raise agent_branch.") + setting +
                           ", or call agent_migrate() with a corrected migration.");
}

Status OverQuota(const char *whose, int64_t used, int64_t limit) {
  return Status::Error("53400", std::string(whose) + " has used up the fixer's tokens of a day",
                       std::to_string(used) + " tokens were used within a day; the limit is " +
                           std::to_string(limit) + ".",
                       "Call agent_migrate() with a corrected migration, or ask an administrator "
                       "for more.");
}

}  // namespace

void FixSpending::Add(int64_t input, int64_t output, int64_t duration) {
  ++calls;
  input_tokens += std::clamp<int64_t>(input, 0, kMostTokens);
  output_tokens += std::clamp<int64_t>(output, 0, kMostTokens);
  milliseconds += std::max<int64_t>(duration, 0);
}

double FixSpending::Cost(const FixLimits &limits) const {
  constexpr double kMillion = 1'000'000;
  return (static_cast<double>(input_tokens) * limits.input_price +
          static_cast<double>(output_tokens) * limits.output_price) /
         kMillion;
}

int64_t EstimatedTokens(size_t bytes) {
  constexpr size_t kBytesPerToken = 3;
  return static_cast<int64_t>(bytes / kBytesPerToken + 1);
}

Status MaySpend(const FixLimits &limits, const FixSpending &spent, int64_t input, int64_t output) {
  FixSpending after = spent;
  after.Add(input, output, 0);
  if (limits.tokens > 0 && after.input_tokens + after.output_tokens > limits.tokens)
    return UsedUp("tokens", "fixer_max_tokens");
  if (limits.seconds > 0 && spent.milliseconds >= limits.seconds * 1'000)
    return UsedUp("time", "fixer_max_time");
  if (limits.cost > 0 && after.Cost(limits) > limits.cost) return UsedUp("money", "fixer_max_cost");
  return {};
}

Status MaySpendToday(const FixQuota &quota, int64_t tokens) {
  if (quota.of_role && quota.used_by_role + tokens > *quota.of_role)
    return OverQuota("the role", quota.used_by_role, *quota.of_role);
  if (quota.of_project && quota.used_by_project + tokens > *quota.of_project)
    return OverQuota("the project", quota.used_by_project, *quota.of_project);
  return {};
}

}  // namespace agent_branch
