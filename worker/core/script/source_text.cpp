#include "worker/core/script/source_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "worker/core/script/script_text.hpp"

namespace agent_branch {
namespace {

constexpr size_t kNone = std::string_view::npos;
constexpr size_t kLongestMarker = 80;

struct Invisible {
  uint32_t first;
  uint32_t last;
  const char *name;
};
constexpr Invisible kInvisible[] = {{0x00A0, 0x00A0, "no-break space"},
                                    {0x00AD, 0x00AD, "soft hyphen"},
                                    {0x034F, 0x034F, "grapheme joiner"},
                                    {0x061C, 0x061C, "direction mark"},
                                    {0x1680, 0x1680, "space"},
                                    {0x180E, 0x180E, "vowel separator"},
                                    {0x2000, 0x200A, "space"},
                                    {0x200B, 0x200B, "zero-width space"},
                                    {0x200C, 0x200D, "zero-width joiner"},
                                    {0x200E, 0x200F, "direction mark"},
                                    {0x2028, 0x2029, "separator"},
                                    {0x202A, 0x202E, "direction mark"},
                                    {0x202F, 0x202F, "no-break space"},
                                    {0x205F, 0x205F, "space"},
                                    {0x2060, 0x2064, "invisible character"},
                                    {0x2066, 0x2069, "direction mark"},
                                    {0x3000, 0x3000, "ideographic space"},
                                    {0xFE00, 0xFE0F, "variation selector"},
                                    {0xFEFF, 0xFEFF, "byte order mark"}};

char LowerCase(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Whether the text at `at` is this one, letters of either case; `what` is in lower case.
bool IsAt(std::string_view sql, size_t at, std::string_view what) {
  if (at > sql.size() || sql.size() - at < what.size()) return false;
  return std::equal(what.begin(), what.end(), sql.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char wanted, char c) { return wanted == LowerCase(c); });
}

// The character of two or three bytes that begins here; 0 for any other.
uint32_t CodePoint(std::string_view sql, size_t at) {
  const auto byte = [&](size_t n) {
    return at + n < sql.size() ? static_cast<unsigned char>(sql[at + n]) : 0U;
  };
  if ((byte(0) & 0xE0) == 0xC0) return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
  if ((byte(0) & 0xF0) != 0xE0) return 0;
  return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
}

std::string Hexadecimal(uint32_t point) {
  std::string digits;
  for (int shift = 12; shift >= 0; shift -= 4)
    digits += "0123456789ABCDEF"[point >> shift & 0xF];
  return digits;
}

std::string NameOfInvisible(uint32_t point) {
  for (const Invisible &one : kInvisible) {
    if (point < one.first || point > one.last) continue;
    return "U+" + Hexadecimal(point) + " (" + one.name + ")";
  }
  return {};
}

// Tools' marks; the comment's dashes and blanks are not compared.
constexpr std::string_view kDownMarks[] = {"+goose down",
                                           "+migrate down",
                                           "migrate:down",
                                           "@down",
                                           "+micrate down",
                                           "down migration",
                                           "---- create above / drop below ----"};

bool IsDownMark(std::string_view line) {
  size_t at = line.find_first_not_of("- \t#");
  if (IsAt(line, 0, kDownMarks[std::size(kDownMarks) - 1])) return true;
  if (at == kNone) return false;
  return std::any_of(std::begin(kDownMarks), std::end(kDownMarks), [&](std::string_view mark) {
    const size_t end = at + mark.size();
    return IsAt(line, at, mark) &&
           (end == line.size() || line[end] == ' ' || line[end] == '\r' || line[end] == '\t');
  });
}

}  // namespace

std::string PassOverMarks(std::string sql) {
  if (sql.compare(0, 3, "\xEF\xBB\xBF") == 0) sql.erase(0, 3);
  for (size_t at = SkipBlanks(sql, 0); at < sql.size(); at = SkipBlanks(sql, at)) {
    const bool begins_line = at == 0 || sql[at - 1] == '\n';
    if (begins_line && (IsAt(sql, at, "\\restrict ") || IsAt(sql, at, "\\unrestrict "))) {
      const size_t end = std::min(sql.find('\n', at), sql.size());
      std::fill(sql.begin() + static_cast<std::ptrdiff_t>(at),
                sql.begin() + static_cast<std::ptrdiff_t>(end), ' ');
    } else {
      at = TokenEnd(sql, at);
    }
  }
  return sql;
}

std::optional<InvisibleCharacter> FindInvisible(std::string_view sql) {
  for (size_t at = SkipBlanks(sql, 0); at < sql.size(); at = SkipBlanks(sql, at)) {
    const size_t end = TokenEnd(sql, at);
    const char first = sql[at];
    const bool literal = first == '\'' || first == '$' || sql[end - 1] == '\'';
    for (size_t in = at; !literal && in < end; ++in) {
      const std::string name = NameOfInvisible(CodePoint(sql, in));
      if (!name.empty()) return InvisibleCharacter{in, name};
    }
    at = end;
  }
  return std::nullopt;
}

std::optional<DownMarker> FindDownMarker(std::string_view sql) {
  size_t at = 0;
  while (at < sql.size()) {
    const size_t token = SkipBlanks(sql, at);
    while (at < token) {
      const size_t end = std::min(sql.find('\n', at), sql.size());
      const std::string_view line = sql.substr(at, end - at);
      const size_t dashes = line.find("--");
      if (dashes != kNone && IsDownMark(line.substr(dashes)) && SkipBlanks(sql, at) < sql.size())
        return DownMarker{at + dashes, std::string(line.substr(dashes, kLongestMarker))};
      at = end + 1;
    }
    if (token >= sql.size()) break;
    at = TokenEnd(sql, token);
  }
  return std::nullopt;
}

bool HasPlainBackslash(std::string_view sql) {
  for (size_t at = SkipBlanks(sql, 0); at < sql.size(); at = SkipBlanks(sql, at)) {
    const size_t end = TokenEnd(sql, at);
    if (sql[at] == '\'' && sql.substr(at, end - at).find('\\') != kNone) return true;
    at = end;
  }
  return false;
}

bool ChangesSessionDefaults(std::string_view sql) {
  for (size_t at = 0; at < sql.size(); ++at) {
    const bool begins = at == 0 || !BeginsWord(sql[at - 1]);
    if (!begins || !IsAt(sql, at, "alter")) continue;
    const size_t next = SkipBlanks(sql, at + 5);
    if (next == at + 5) continue;
    for (const char *word : {"database", "role", "user"}) {
      if (IsAt(sql, next, word)) return true;
    }
  }
  return false;
}

}  // namespace agent_branch
