#include "emulator/clock.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace agent_branch::emulator {
namespace {

bool Digits(std::string_view text, size_t at, size_t count, int *value) {
  if (at + count > text.size()) return false;
  *value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    *value = *value * 10 + (text[i] - '0');
  }
  return true;
}

bool At(std::string_view text, size_t at, char c) {
  return at < text.size() && text[at] == c;
}

}  // namespace

Microseconds Now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string FormatTime(Microseconds time) {
  std::time_t seconds = time / kSecond;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, length);
}

std::string FormatTimePrecisely(Microseconds time) {
  std::string text = FormatTime(time);
  text.pop_back();
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06dZ", static_cast<int>(time % kSecond));
  return text + fraction;
}

std::optional<Microseconds> ParseTime(std::string_view text) {
  int year, month, day, hour, minute, second;
  if (!Digits(text, 0, 4, &year) || !At(text, 4, '-') || !Digits(text, 5, 2, &month) ||
      !At(text, 7, '-') || !Digits(text, 8, 2, &day) || !(At(text, 10, 'T') || At(text, 10, 't')) ||
      !Digits(text, 11, 2, &hour) || !At(text, 13, ':') || !Digits(text, 14, 2, &minute) ||
      !At(text, 16, ':') || !Digits(text, 17, 2, &second)) {
    return std::nullopt;
  }
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  size_t at = 19;
  Microseconds fraction = 0;
  if (At(text, at, '.')) {
    Microseconds unit = kSecond / 10;
    size_t start = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
      fraction += unit * (text[at] - '0');
    }
    if (at == start) return std::nullopt;
  }
  int zone_hours = 0, zone_minutes = 0, sign = 1;
  if (At(text, at, 'Z') || At(text, at, 'z')) {
    ++at;
  } else if (At(text, at, '+') || At(text, at, '-')) {
    sign = text[at] == '-' ? -1 : 1;
    if (!Digits(text, at + 1, 2, &zone_hours) || !At(text, at + 3, ':') ||
        !Digits(text, at + 4, 2, &zone_minutes)) {
      return std::nullopt;
    }
    at += 6;
  } else {
    return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  std::tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  Microseconds seconds = timegm(&parts) - sign * (zone_hours * 3600 + zone_minutes * 60);
  return seconds * kSecond + fraction;
}

}  // namespace agent_branch::emulator
