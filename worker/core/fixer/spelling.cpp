#include "worker/core/fixer/spelling.hpp"

#include <algorithm>
#include <iterator>

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

// The digits of a name say which of its kind it is: address1 is no slip of address2.
std::string DigitsOf(std::string_view name) {
  std::string digits;
  for (char c : name.substr(0, kLongest)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  return digits;
}

std::vector<std::string> PartsOf(std::string_view name) {
  std::vector<std::string> parts(1);
  for (char c : name.substr(0, kLongest)) {
    if (c == '_' || c == ' ') {
      if (!parts.back().empty()) parts.emplace_back();
    } else {
      parts.back() += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
  }
  if (parts.back().empty() && parts.size() > 1) parts.pop_back();
  return parts;
}

std::string Singular(const std::string &word) {
  const size_t size = word.size();
  if (size > 4 && word.compare(size - 3, 3, "ies") == 0) return word.substr(0, size - 3) + "y";
  if (size > 4 && word.compare(size - 2, 2, "es") == 0) return word.substr(0, size - 2);
  return size > 3 && word.back() == 's' ? word.substr(0, size - 1) : word;
}

// One letter in a short word, two in a long one; and hands do not slip at a first letter, but for
// leaving it out or putting another one before it.
bool IsSlip(const std::string &one, const std::string &other) {
  const size_t shorter = std::min(one.size(), other.size());
  if (shorter < 2) return one == other;
  const size_t distance = EditDistance(one, other);
  const size_t most = shorter >= 7 ? 2 : 1;
  if (distance > most) return false;
  const bool swapped = one[0] == other[1] && one[1] == other[0];
  if (one[0] == other[0] || swapped) return true;
  return distance == 1 && one.size() != other.size();
}

// cust for customer
bool Abbreviates(const std::string &one, const std::string &other) {
  const std::string &shorter = one.size() < other.size() ? one : other;
  const std::string &longer = one.size() < other.size() ? other : one;
  return shorter.size() >= 3 && longer.compare(0, shorter.size(), shorter) == 0;
}

// What a column's name may be written without.
bool IsSuffix(const std::string &word) {
  constexpr std::string_view kSuffixes[] = {"at", "on", "id", "date", "time", "ts"};
  return std::find(std::begin(kSuffixes), std::end(kSuffixes), word) != std::end(kSuffixes);
}

bool AreWordsAlike(const std::string &one, const std::string &other) {
  return one == other || IsSlip(one, other) || Abbreviates(one, other) ||
         Singular(one) == Singular(other);
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
  if (DigitsOf(one) != DigitsOf(other)) return false;
  const std::string left = Simple(one);
  const std::string right = Simple(other);
  if (left == right) return true;
  std::vector<std::string> shorter = PartsOf(one);
  std::vector<std::string> longer = PartsOf(other);
  if (shorter.size() > longer.size()) std::swap(shorter, longer);
  // userid for user_idd: where the underscores differ, the whole is one word.
  if (shorter.size() != longer.size() && IsSlip(left, right) && EditDistance(left, right) == 1)
    return true;
  // created for created_at; an order_item is no order.
  const bool of_one_kind = shorter.size() == longer.size() ||
                           (shorter.size() + 1 == longer.size() && IsSuffix(longer.back()));
  if (!of_one_kind) return false;
  for (size_t n = 0; n < shorter.size(); ++n) {
    if (!AreWordsAlike(shorter[n], longer[n])) return false;
  }
  return true;
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
