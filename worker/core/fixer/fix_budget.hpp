// What a session may spend on its fixer, and what it has spent.
#pragma once

#include <cstdint>
#include <optional>

#include "worker/core/base/clock.hpp"
#include "worker/core/base/status.hpp"

namespace agent_branch {

// For one session, all its migrations together. 0: no limit.
struct FixLimits {
  int64_t tokens = 200'000;  // of questions and answers
  int64_t seconds = 600;     // in calls
  double cost = 0;           // in the currency of the prices
  double input_price = 0;    // for a million tokens
  double output_price = 0;
};

struct FixSpending {
  int64_t calls = 0;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  int64_t milliseconds = 0;

  void Add(int64_t input, int64_t output, int64_t duration);
  double Cost(const FixLimits &limits) const;
};

// What the session's role, in its project, and the project as a whole may use within a day, and
// what they have used of it: quotas (extension/quotas.hpp), counted here since only here it is
// known.
struct FixQuota {
  std::optional<int64_t> of_role;
  std::optional<int64_t> of_project;
  int64_t used_by_role = 0;
  int64_t used_by_project = 0;
};

// A bound on the tokens of a text: no tokenizer makes more of it than one a byte, and what is
// usual is one in three to four.
int64_t EstimatedTokens(size_t bytes);

// Whether a call may be made that asks with `input` tokens and may be answered with `output` ones.
// The reason otherwise, with SQLSTATE 53400.
Status MaySpend(const FixLimits &limits, const FixSpending &spent, int64_t input, int64_t output);
// Likewise within the quotas of the day.
Status MaySpendToday(const FixQuota &quota, int64_t tokens);

}  // namespace agent_branch
