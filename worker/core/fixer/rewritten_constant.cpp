#include "worker/core/fixer/rewritten_constant.hpp"

#include <array>
#include <optional>
#include <string>

namespace agent_branch {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char &c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lower;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

// "12,50" and "1,234.50" as PostgreSQL writes them; nothing for what may be read in two ways.
std::optional<std::string> Number(std::string_view text) {
  std::string number;
  size_t commas = 0;
  size_t points = 0;
  size_t last_comma = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == ',') ++commas, last_comma = at;
    if (c == '.') ++points;
    if (!IsDigit(c) && c != ',' && c != '.' && !(c == '-' && at == 0)) return std::nullopt;
  }
  if (points > 1 || commas > 1 || text.empty()) return std::nullopt;
  if (commas == 1 && points == 1 &&
      (text.find('.') != last_comma + 4 || text.find('.') + 1 == text.size()))
    return std::nullopt;
  // Three digits behind a comma: a fraction in one country, thousands in another.
  if (commas == 1 && points == 0 && text.size() - last_comma - 1 == 3) return std::nullopt;
  for (char c : text) {
    if (c == ',' && points == 1) continue;
    number += c == ',' ? '.' : c;
  }
  return IsDigit(number.back()) ? std::optional(number) : std::nullopt;
}

struct Date {
  std::array<std::string, 3> parts;
  bool operator==(const Date &) const = default;
};

// Year, month, day, out of three groups of digits; nothing where day and month may be confused.
std::optional<Date> ReadDate(std::string_view text) {
  std::array<std::string, 3> groups;
  size_t group = 0;
  for (char c : text) {
    if (IsDigit(c)) {
      groups[group] += c;
    } else if ((c == '/' || c == '.' || c == '-') && group < 2 && !groups[group].empty()) {
      ++group;
    } else {
      return std::nullopt;
    }
  }
  if (group != 2 || groups[2].empty()) return std::nullopt;
  const auto padded = [](const std::string &digits) {
    return digits.size() == 1 ? "0" + digits : digits;
  };
  const auto is_short = [](const std::string &digits) { return digits.size() <= 2; };
  if (groups[0].size() == 4 && is_short(groups[1]) && is_short(groups[2]))
    return Date{{groups[0], padded(groups[1]), padded(groups[2])}};
  if (groups[2].size() != 4 || !is_short(groups[0]) || !is_short(groups[1])) return std::nullopt;
  const int one = std::stoi(groups[0]);
  const int two = std::stoi(groups[1]);
  if (one > 12 && two <= 12) return Date{{groups[2], padded(groups[1]), padded(groups[0])}};
  if (two > 12 && one <= 12) return Date{{groups[2], padded(groups[0]), padded(groups[1])}};
  return std::nullopt;
}

}  // namespace

bool IsTheSameValue(std::string_view unreadable, std::string_view readable) {
  const std::string_view from = Trim(unreadable);
  const std::string_view to = Trim(readable);
  if (from.empty() || to.empty()) return false;
  if (Lower(from) == Lower(to)) return true;
  const std::optional<std::string> number = Number(from);
  if (number && *number == to) return true;
  const std::optional<Date> old_date = ReadDate(from);
  const std::optional<Date> new_date = ReadDate(to);
  const bool iso = to.size() == 10 && to[4] == '-' && to[7] == '-';
  return iso && old_date && new_date && *old_date == *new_date;
}

}  // namespace agent_branch
