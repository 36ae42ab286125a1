#include "worker/core/timestamp.hpp"

#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace agent_branch {
namespace {

// The offset of "Z", "+hh:mm" or "-hh:mm" in seconds; false when it is none of these.
bool ParseOffset(const char *text, int64_t *offset) {
  *offset = 0;
  if ((*text == 'Z' || *text == 'z') && text[1] == '\0') return true;
  if (*text != '+' && *text != '-') return false;
  int hours = 0;
  int minutes = 0;
  int length = 0;
  if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2) return false;
  if (length != 5 || text[1 + length] != '\0') return false;
  *offset = (hours * 60 + minutes) * 60;
  if (*text == '-') *offset = -*offset;
  return true;
}

}  // namespace

std::string FormatTimestamp(int64_t unix_time) {
  auto time = static_cast<time_t>(unix_time);
  tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, length);
}

int64_t ParseTimestamp(std::string_view text) {
  std::string copy(text.substr(0, 64));
  tm parts{};
  const char *rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return 0;
  if (*rest == '.') {
    do
      ++rest;
    while (*rest >= '0' && *rest <= '9');
  }
  int64_t offset = 0;
  if (!ParseOffset(rest, &offset)) return 0;
  return static_cast<int64_t>(timegm(&parts)) - offset;
}

}  // namespace agent_branch
