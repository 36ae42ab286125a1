#include "worker/core/fixer/fix_memory.hpp"

#include <cstdint>
#include <map>

#include "worker/core/fixer/sql_tokens.hpp"

namespace agent_branch {
namespace {

bool IsWord(const SqlToken &token) {
  return token.kind == TokenKind::kWord || token.kind == TokenKind::kName;
}

// Stands for something of the user's: a keyword and a type stay what they are.
bool Varies(const SqlToken &token) {
  if (token.kind == TokenKind::kOperator || token.kind == TokenKind::kNumber) return false;
  return token.kind != TokenKind::kWord || !(IsKeyword(token.text) || IsTypeWord(token.text));
}

// A name and a constant of one text are two things.
std::string KeyOf(const SqlToken &token) {
  return (IsWord(token) ? "n" : "s") + token.text;
}

std::string Shape(const std::vector<SqlToken> &tokens) {
  std::map<std::string, size_t> numbers;
  std::string shape;
  for (const SqlToken &token : tokens) {
    if (Varies(token)) {
      size_t number = numbers.try_emplace(KeyOf(token), numbers.size()).first->second;
      shape += (IsWord(token) ? "$" : "?") + std::to_string(number) + " ";
    } else {
      shape += token.text + " ";
    }
  }
  return shape;
}

// Names in quotes, constants and numbers are what differs between two messages of one error.
std::string MessageShape(const std::string &message) {
  std::string shape;
  bool quoted = false;
  for (char c : message) {
    if (c == '"') {
      quoted = !quoted;
      shape += c;
    } else if (!quoted && !(c >= '0' && c <= '9')) {
      shape += c;
    }
  }
  return shape;
}

uint64_t Hash(const std::string &text, uint64_t seed) {
  uint64_t hash = seed;
  for (unsigned char byte : text) {
    hash ^= byte;
    hash *= 0x100000001b3u;
  }
  return hash;
}

std::string Hexadecimal(uint64_t number) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4)
    text += kDigits[(number >> shift) & 0xF];
  return text;
}

// As it stands in the text of a token that is written in quotes or without them.
std::string Written(std::string_view sql, const SqlToken &token) {
  return std::string(sql.substr(token.offset, token.length));
}

using Replacements = std::map<std::string, std::string>;

std::optional<Replacements> Correspondence(const std::string &from, const std::string &to) {
  const std::vector<SqlToken> old_tokens = Tokenize(from);
  const std::vector<SqlToken> new_tokens = Tokenize(to);
  if (Shape(old_tokens) != Shape(new_tokens)) return std::nullopt;
  Replacements replacements;
  for (size_t at = 0; at < old_tokens.size(); ++at) {
    if (!Varies(old_tokens[at])) continue;
    replacements[KeyOf(old_tokens[at])] = Written(to, new_tokens[at]);
  }
  return replacements;
}

}  // namespace

std::string FixSignature(const std::string &sql, const ServerError &error) {
  const std::string text =
      error.sqlstate + "\n" + MessageShape(error.message) + "\n" + Shape(Tokenize(sql));
  return Hexadecimal(Hash(text, 0xcbf29ce484222325u)) +
         Hexadecimal(Hash(text, 0x9e3779b97f4a7c15u));
}

std::optional<std::string> CarryOver(const std::string &original, const std::string &fix,
                                     const std::string &sql) {
  if (original == sql) return fix;
  std::optional<Replacements> replacements = Correspondence(original, sql);
  if (!replacements) return std::nullopt;
  std::string carried;
  size_t copied = 0;
  for (const SqlToken &token : Tokenize(fix)) {
    if (!Varies(token)) continue;
    auto found = replacements->find(KeyOf(token));
    if (found == replacements->end()) {
      // A constant of the old fix's own, such as a value to fill in: it was chosen for other rows.
      if (token.kind == TokenKind::kString) return std::nullopt;
      continue;
    }
    carried += fix.substr(copied, token.offset - copied) + found->second;
    copied = token.offset + token.length;
  }
  return carried + fix.substr(copied);
}

}  // namespace agent_branch
