#include "worker/http/retry_after.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <string>

namespace agent_branch {

namespace {

constexpr size_t kLongestDate = 64;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view Trim(std::string_view text) {
  const char *blank = " \t\r\n";
  const size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::chrono::seconds Bounded(long long seconds) {
  const long long most = kMaxRetryAfter.count();
  return std::chrono::seconds(std::clamp(seconds, 0LL, most));
}

}  // namespace

std::optional<std::chrono::seconds> ParseRetryAfter(std::string_view value, std::time_t now) {
  value = Trim(value);
  if (value.empty() || value.size() > kLongestDate) return std::nullopt;
  if (std::all_of(value.begin(), value.end(), IsDigit)) {
    long long seconds = 0;
    for (char digit : value)
      seconds = std::min(seconds * 10 + (digit - '0'), 1'000'000LL);
    return Bounded(seconds);
  }
  // curl_getdate() takes much that is no HTTP date, such as "20301231"; all three forms of one
  // begin with the name of a day and end with digits or GMT.
  const std::string text(value);
  constexpr std::string_view kDays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  if (std::find(std::begin(kDays), std::end(kDays), value.substr(0, 3)) == std::end(kDays))
    return std::nullopt;
  const std::time_t date = curl_getdate(text.c_str(), nullptr);
  if (date == -1) return std::nullopt;
  return Bounded(static_cast<long long>(date) - static_cast<long long>(now));
}

}  // namespace agent_branch
