#include "worker/core/base/timestamp.hpp"

#include <cstdio>
#include <ctime>

namespace agent_branch {
namespace {

// Reads what strptime() would take with blanks, signs and days that no month has.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  // A number of exactly so many digits, within the bounds; failing otherwise.
  int Number(size_t digits, int least, int most) {
    if (rest_.size() < digits) return Fail();
    int number = 0;
    for (char c : rest_.substr(0, digits)) {
      if (c < '0' || c > '9') return Fail();
      number = number * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return number >= least && number <= most ? number : Fail();
  }
  // One of the characters, or 0.
  char OneOf(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return '\0';
    char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }
  void Expect(std::string_view characters) {
    if (OneOf(characters) == '\0') Fail();
  }
  void Digits() {
    Expect("0123456789");
    while (OneOf("0123456789") != '\0') {
    }
  }
  bool Ended() const { return ok_ && rest_.empty(); }

 private:
  int Fail() {
    ok_ = false;
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

int DaysIn(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

}  // namespace

std::string FormatTimestamp(int64_t unix_time) {
  auto time = static_cast<time_t>(unix_time);
  tm parts{};
  gmtime_r(&time, &parts);
  char text[96];  // as much as a compiler can think of: years are of four digits
  // Not strftime(), whose %Y leaves out leading zeros.
  snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900,
           parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return text;
}

int64_t ParseTimestamp(std::string_view text) {
  Reader reader(text);
  int year = reader.Number(4, 1, 9999);
  reader.Expect("-");
  int month = reader.Number(2, 1, 12);
  reader.Expect("-");
  int day = reader.Number(2, 1, 31);
  reader.Expect("Tt");
  int hour = reader.Number(2, 0, 23);
  reader.Expect(":");
  int minute = reader.Number(2, 0, 59);
  reader.Expect(":");
  int second = reader.Number(2, 0, 60);
  if (reader.OneOf(".") != '\0') reader.Digits();
  int64_t offset = 0;
  if (char sign = reader.OneOf("+-"); sign != '\0') {
    offset = reader.Number(2, 0, 23) * 60;
    reader.Expect(":");
    offset = (offset + reader.Number(2, 0, 59)) * (sign == '-' ? -60 : 60);
  } else {
    reader.Expect("Zz");
  }
  if (!reader.Ended() || day > DaysIn(year, month)) return 0;
  tm parts{};
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  return static_cast<int64_t>(timegm(&parts)) - offset;
}

}  // namespace agent_branch
