#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

bool IsContinuation(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

// Length of the well-formed UTF-8 character at the start of `text` (RFC 3629), 0 if there is none.
size_t CharacterLength(std::string_view text) {
  auto byte = [&](size_t n) { return static_cast<unsigned char>(text[n]); };
  unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t n = 1; n < length; ++n) {
    if (!IsContinuation(byte(n))) return 0;
  }
  bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  bool surrogate = lead == 0xED && byte(1) > 0x9F;
  bool beyond = lead == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || beyond ? 0 : length;
}

std::string Clean(std::string_view text, size_t limit, bool keep_lines) {
  std::string clean;
  while (!text.empty()) {
    size_t length = CharacterLength(text);
    if (clean.size() + (length == 0 ? 1 : length) > limit) break;
    unsigned char lead = static_cast<unsigned char>(text[0]);
    bool upper_control = lead == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (length == 0) {
      clean += '?';
      length = 1;
    } else if (upper_control || (lead < 0x20 && !(keep_lines && (lead == '\n' || lead == '\t'))) ||
               lead == 0x7F) {
      clean += ' ';
    } else {
      clean.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return clean;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  for (size_t length = 0; !text.empty(); text.remove_prefix(length)) {
    length = CharacterLength(text);
    if (length == 0) return false;
  }
  return true;
}

std::string CleanText(std::string_view text, size_t limit) {
  return Clean(text, limit, false);
}

std::string CleanLines(std::string_view text, size_t limit) {
  return Clean(text, limit, true);
}

}  // namespace agent_branch
