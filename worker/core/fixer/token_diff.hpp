// How a fix's tokens differ from the original's, and whether an error gives leave to it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/core/fixer/licence.hpp"

namespace agent_branch {

struct TokenDiff {
  bool comparable = false;           // false: the texts are too long and too different
  std::vector<std::string> missing;  // of the original's tokens, in their order
  std::vector<size_t> extra;         // positions among the fix's tokens
};

// Tokens as Normalized() makes them: a longest common subsequence is what stays.
TokenDiff Compare(const std::vector<std::string> &original, const std::vector<std::string> &fix);

// Empty: nothing that matters differs. names_may_change: a missing name may stand as another one.
// alike: only as one that resembles it.
std::string DifferenceThatMatters(std::string_view original, std::string_view fix,
                                  const Licence &licence, bool names_may_change, bool alike);

// An expression of columns, constants and functions that only compute: no query, no call of
// anything else.
bool IsHarmlessExpression(const std::vector<std::string> &tokens);

// Whether one may be meant by the other: an abbreviation, a plural, a slip of the pen.
bool AreAlike(std::string_view one, std::string_view other);
size_t EditDistance(std::string_view one, std::string_view other);

std::vector<std::string> SplitTokens(std::string_view text);

}  // namespace agent_branch
