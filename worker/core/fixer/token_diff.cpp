#include "worker/core/fixer/token_diff.hpp"

#include <algorithm>
#include <cstdint>

#include "worker/core/base/text.hpp"
#include "worker/core/fixer/sql_tokens.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostTokens = 2'000;
constexpr size_t kShownToken = 60;

// The lengths of longest common subsequences of what is left from each pair of positions on.
std::vector<uint16_t> Lengths(const std::vector<std::string> &a, size_t a_begin, size_t a_end,
                              const std::vector<std::string> &b, size_t b_begin, size_t b_end) {
  const size_t rows = a_end - a_begin;
  const size_t columns = b_end - b_begin;
  std::vector<uint16_t> lengths((rows + 1) * (columns + 1), 0);
  for (size_t row = rows; row-- > 0;) {
    for (size_t column = columns; column-- > 0;) {
      const size_t here = row * (columns + 1) + column;
      const size_t below = here + columns + 1;
      lengths[here] = a[a_begin + row] == b[b_begin + column]
                          ? static_cast<uint16_t>(lengths[below + 1] + 1)
                          : std::max(lengths[below], lengths[here + 1]);
    }
  }
  return lengths;
}

std::string Shown(std::string_view token) {
  return "\"" + CleanText(token.substr(1), kShownToken) + "\"";
}

bool IsLayout(std::string_view token) {
  return token == "o(" || token == "o)" || token == "o," || token == "o.";
}

// A name with a bracket behind it, unless it is a table's with its columns.
bool IsCall(const std::vector<std::string> &tokens, size_t at) {
  if (at + 1 >= tokens.size() || tokens[at + 1] != "o(") return false;
  while (at >= 2 && tokens[at - 1] == "o.")
    at -= 2;
  if (at == 0) return true;
  const std::string &before = tokens[at - 1];
  const bool index = before == "non" && tokens.size() > 2 && tokens[0] == "ncreate" &&
                     (tokens[1] == "nindex" || tokens[2] == "nindex");
  return !(index || before == "ninto" || before == "nreferences" || before == "o->");
}

// What is left of a difference's leave while its tokens are looked at.
struct Account {
  const Licence &licence;
  bool names_may_change;
  bool alike;
  std::vector<std::string> lost_names;
  size_t names_left = 0;
  size_t constants_left = 0;
  size_t found = 0;  // that stand for lost names

  bool Lose(const std::string &token) {
    if (IsLayout(token)) return true;
    const std::string text = token.substr(1);
    if (token[0] == 'n' && licence.names.count(text) != 0) {
      lost_names.push_back(text);
      if (names_may_change) names_left += 2;  // it may be qualified where it was not
      return true;
    }
    if (token[0] == 's' && licence.constants.count(text) != 0) {
      ++constants_left;
      return true;
    }
    return false;
  }

  bool TakeConstant(const std::string &text) {
    // "text" in double quotes is a name; what was meant is the constant.
    bool was_name = std::find(lost_names.begin(), lost_names.end(), text) != lost_names.end();
    if (was_name) {
      names_left -= std::min<size_t>(names_left, 2);
      ++found;
      return true;
    }
    if (constants_left == 0) return false;
    --constants_left;
    return true;
  }

  bool TakeName(const std::string &text, bool is_call) {
    if (is_call && !IsHarmlessFunction(text) && !IsTypeWord(text)) return false;
    if (IsTypeWord(text) || text == "cast" || text == "as") return true;
    if (IsKeyword(text) || names_left == 0) return false;
    bool resembles = std::any_of(lost_names.begin(), lost_names.end(),
                                 [&](const auto &lost) { return AreAlike(lost, text); });
    if (alike && !resembles) return false;
    --names_left;
    ++found;
    return true;
  }
};

}  // namespace

std::vector<std::string> SplitTokens(std::string_view text) {
  std::vector<std::string> tokens;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) tokens.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return tokens;
}

TokenDiff Compare(const std::vector<std::string> &original, const std::vector<std::string> &fix) {
  TokenDiff diff;
  size_t begin = 0;
  while (begin < original.size() && begin < fix.size() && original[begin] == fix[begin])
    ++begin;
  size_t a_end = original.size();
  size_t b_end = fix.size();
  while (a_end > begin && b_end > begin && original[a_end - 1] == fix[b_end - 1]) {
    --a_end;
    --b_end;
  }
  if (a_end - begin > kMostTokens || b_end - begin > kMostTokens) return diff;
  diff.comparable = true;
  const std::vector<uint16_t> lengths = Lengths(original, begin, a_end, fix, begin, b_end);
  const size_t columns = b_end - begin;
  auto length = [&](size_t a, size_t b) {
    return lengths[(a - begin) * (columns + 1) + (b - begin)];
  };
  size_t a = begin;
  size_t b = begin;
  while (a < a_end || b < b_end) {
    if (a < a_end && b < b_end && original[a] == fix[b]) {
      ++a;
      ++b;
    } else if (b >= b_end || (a < a_end && length(a + 1, b) >= length(a, b + 1))) {
      diff.missing.push_back(original[a++]);
    } else {
      diff.extra.push_back(b++);
    }
  }
  return diff;
}

std::string DifferenceThatMatters(std::string_view original, std::string_view fix,
                                  const Licence &licence, bool names_may_change, bool alike) {
  if (original == fix) return {};
  const std::vector<std::string> fix_tokens = SplitTokens(fix);
  const TokenDiff diff = Compare(SplitTokens(original), fix_tokens);
  if (!diff.comparable) return "it is too long and too different to be compared";
  Account account{licence, names_may_change, alike, {}};
  for (const std::string &token : diff.missing) {
    if (!account.Lose(token)) return "it leaves out " + Shown(token);
  }
  for (size_t at : diff.extra) {
    const std::string &token = fix_tokens[at];
    const std::string text = token.substr(1);
    bool allowed = IsLayout(token) || (token[0] == 's' && account.TakeConstant(text)) ||
                   (token[0] == 'n' && account.TakeName(text, IsCall(fix_tokens, at)));
    if (!allowed) return "it adds " + Shown(token);
  }
  // Each name that goes has one that comes.
  if (account.found < account.lost_names.size())
    return "it leaves out " + Shown("n" + account.lost_names.back());
  return {};
}

bool IsHarmlessExpression(const std::vector<std::string> &tokens) {
  for (size_t at = 0; at < tokens.size(); ++at) {
    if (tokens[at][0] != 'n') continue;
    const std::string text = tokens[at].substr(1);
    if (IsCall(tokens, at) && !IsHarmlessFunction(text) && !IsTypeWord(text)) return false;
    const bool of_expressions =
        text == "case" || text == "then" || text == "else" || text == "end" || text == "and" ||
        text == "or" || text == "not" || text == "is" || text == "null" || text == "true" ||
        text == "false" || text == "left" || text == "right" || text == "as" || text == "replace" ||
        text == "row" || text == "from";
    if (text == "from" && (at < 3 || tokens[at - 3] != "nextract")) return false;
    if (IsKeyword(text) && !of_expressions) return false;
  }
  return !tokens.empty();
}

size_t EditDistance(std::string_view one, std::string_view other) {
  std::vector<size_t> row(other.size() + 1);
  for (size_t n = 0; n <= other.size(); ++n)
    row[n] = n;
  for (size_t a = 1; a <= one.size(); ++a) {
    size_t diagonal = row[0];
    row[0] = a;
    for (size_t b = 1; b <= other.size(); ++b) {
      const size_t changed = diagonal + (one[a - 1] == other[b - 1] ? 0 : 1);
      diagonal = row[b];
      row[b] = std::min({row[b] + 1, row[b - 1] + 1, changed});
    }
  }
  return row[other.size()];
}

bool AreAlike(std::string_view one, std::string_view other) {
  auto simple = [](std::string_view name) {
    std::string text;
    for (char c : name.substr(0, 128)) {
      if (c != '_' && c != ' ') text += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    return text;
  };
  std::string shorter = simple(one);
  std::string longer = simple(other);
  if (shorter.size() > longer.size()) std::swap(shorter, longer);
  if (shorter.size() < 2) return shorter == longer;
  size_t found = 0;
  for (char c : longer) {
    if (found < shorter.size() && shorter[found] == c) ++found;
  }
  bool begins_alike = shorter[0] == longer[0] || longer.find(shorter) != std::string::npos;
  if (found == shorter.size() && begins_alike) return true;
  return EditDistance(shorter, longer) <= std::max<size_t>(1, shorter.size() / 3);
}

}  // namespace agent_branch
