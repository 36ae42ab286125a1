// The differences of two texts as edits of the first one's tokens, in order.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "worker/core/fixer/sql_tokens.hpp"

namespace agent_branch {

// Tokens [begin, end) of the original become [fix_begin, fix_end) of the fix.
struct TextEdit {
  size_t begin = 0;
  size_t end = 0;
  size_t fix_begin = 0;
  size_t fix_end = 0;
};

struct TokenText {
  explicit TokenText(std::string text);

  std::string sql;
  std::vector<SqlToken> tokens;

  // As written; of a range, with what stands between.
  std::string Raw(size_t at) const;
  std::string Raw(size_t begin, size_t end) const;
  // Of a word or a name, as PostgreSQL folds it; of a constant, its value.
  const std::string &Value(size_t at) const { return tokens[at].text; }
  bool IsWord(size_t at, std::string_view word) const;
  bool IsOperator(size_t at, std::string_view text) const;
  // A word or a quoted name.
  bool IsName(size_t at) const;
  bool IsString(size_t at) const;
  // The token that the byte is in, or that begins after it.
  size_t TokenAt(size_t byte) const;
};

// A longest common subsequence of the tokens as written stays; words in any case are equal. Nothing
// when the texts are too long and too different.
std::optional<std::vector<TextEdit>> CompareTokens(const TokenText &original, const TokenText &fix);

struct EditedText {
  std::string sql;
  // Where the original's bytes have gone: for each edit its begin in `sql` and its length there.
  struct Place {
    size_t at = 0;
    size_t length = 0;
    size_t token = 0;     // of the original
    size_t original = 0;  // the original's byte behind it
  };
  std::vector<Place> places;

  // The token of the original that a byte of `sql` is of; an edit's first for what it has put in.
  size_t OriginalToken(const TokenText &original, size_t byte) const;
};

struct Replacement {
  size_t begin = 0;  // tokens of the original
  size_t end = 0;
  std::string text;
};

// In their order, not overlapping.
EditedText ApplyEdits(const TokenText &original, const std::vector<Replacement> &replacements);

}  // namespace agent_branch
