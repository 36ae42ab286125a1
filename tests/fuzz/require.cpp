#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <cstdint>

namespace agent_branch::fuzz {
namespace {

// The code point that `text` begins with, and its length; a length of 0: none.
struct Decoded {
  uint32_t point = 0;
  size_t length = 0;
};

Decoded DecodeFirst(std::string_view text) {
  auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  size_t length = 0;
  while (length < 8 && (lead & (0x80U >> length)) != 0)
    ++length;
  if (length < 2 || length > 4 || text.size() < length) return {};
  uint32_t point = lead & (0x7FU >> length);
  for (size_t n = 1; n < length; ++n) {
    auto byte = static_cast<unsigned char>(text[n]);
    if (byte < 0x80 || byte > 0xBF) return {};
    point = (point << 6) | (byte & 0x3FU);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (point < kLeast[length] || point > 0x10FFFF || surrogate) return {};
  return {point, length};
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    Decoded first = DecodeFirst(text);
    if (first.length == 0) return false;
    text.remove_prefix(first.length);
  }
  return true;
}

void RequireClean(std::string_view text, size_t limit, bool lines, const std::string &what) {
  Require(text.size() <= limit, what + " is longer than promised");
  while (!text.empty()) {
    Decoded first = DecodeFirst(text);
    Require(first.length > 0, what + " is not UTF-8");
    bool allowed = lines && (first.point == '\n' || first.point == '\t');
    bool control = first.point < 0x20 || (first.point >= 0x7F && first.point < 0xA0);
    Require(allowed || !control, what + " has a control character");
    text.remove_prefix(first.length);
  }
}

void RequireWord(std::string_view text, const std::string &what) {
  bool fit = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  Require(fit && text.size() <= 128, what + " is no word");
}

void RequireTelling(const Status &status, const std::string &what) {
  constexpr size_t kNoLimit = 100'000;
  Require(!status.ok(), what + " is no error");
  Require(status.sqlstate().size() == 5, what + " has no SQLSTATE");
  Require(!status.message().empty(), what + " says nothing");
  RequireClean(status.message(), kNoLimit, false, what + "'s message");
  RequireClean(status.detail(), kNoLimit, false, what + "'s detail");
  RequireClean(status.hint(), kNoLimit, false, what + "'s hint");
}

std::string_view TakePart(std::string_view *rest, std::string_view separator) {
  size_t end = rest->find(separator);
  std::string_view part = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + separator.size());
  return part;
}

}  // namespace agent_branch::fuzz
