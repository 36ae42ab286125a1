#include "worker/core/fixer/spelling.hpp"

#include <algorithm>

namespace agent_branch {
namespace {

constexpr size_t kLongest = 128;

std::string Simple(std::string_view name) {
  std::string text;
  for (char c : name.substr(0, kLongest)) {
    if (c != '_' && c != ' ') text += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  }
  return text;
}

bool Abbreviates(const std::string &shorter, const std::string &longer) {
  size_t found = 0;
  for (char c : longer) {
    if (found < shorter.size() && shorter[found] == c) ++found;
  }
  return found == shorter.size() &&
         (shorter[0] == longer[0] || longer.find(shorter) != std::string::npos);
}

}  // namespace

size_t EditDistance(std::string_view one, std::string_view other) {
  one = one.substr(0, kLongest);
  other = other.substr(0, kLongest);
  std::vector<size_t> before(other.size() + 1);
  std::vector<size_t> last(other.size() + 1);
  std::vector<size_t> row(other.size() + 1);
  for (size_t n = 0; n <= other.size(); ++n)
    last[n] = n;
  for (size_t a = 1; a <= one.size(); ++a) {
    row[0] = a;
    for (size_t b = 1; b <= other.size(); ++b) {
      const size_t changed = last[b - 1] + (one[a - 1] == other[b - 1] ? 0 : 1);
      row[b] = std::min({last[b] + 1, row[b - 1] + 1, changed});
      const bool swapped =
          a > 1 && b > 1 && one[a - 1] == other[b - 2] && one[a - 2] == other[b - 1];
      if (swapped) row[b] = std::min(row[b], before[b - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[other.size()];
}

bool AreAlike(std::string_view one, std::string_view other) {
  std::string shorter = Simple(one);
  std::string longer = Simple(other);
  if (shorter.size() > longer.size()) std::swap(shorter, longer);
  if (shorter.size() < 2) return shorter == longer;
  return Abbreviates(shorter, longer) ||
         EditDistance(shorter, longer) <= std::max<size_t>(1, shorter.size() / 3);
}

bool MayBeMeant(std::string_view one, std::string_view other) {
  const std::string left = Simple(one);
  const std::string right = Simple(other);
  const size_t longer = std::max(left.size(), right.size());
  return left.find(right) != std::string::npos || right.find(left) != std::string::npos ||
         EditDistance(left, right) <= std::max<size_t>(2, longer / 3);
}

bool IsNearest(std::string_view name, std::string_view choice,
               const std::vector<std::string> &candidates) {
  if (!AreAlike(name, choice)) return false;
  const std::string wanted = Simple(name);
  const size_t distance = EditDistance(wanted, Simple(choice));
  return std::none_of(candidates.begin(), candidates.end(), [&](const std::string &other) {
    return other != choice && EditDistance(wanted, Simple(other)) <= distance;
  });
}

}  // namespace agent_branch
