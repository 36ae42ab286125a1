// SQL as tokens, by PostgreSQL's lexical rules, also where the text is no SQL of PostgreSQL's.
//
// What a model wrote, and what an agent wrote for another database, has to be compared even where
// no parser takes it. Nothing here fails: a quote that is not closed reaches to the end.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace agent_branch {

enum class TokenKind {
  kWord,      // a keyword or a name without quotes, in lower case
  kName,      // a name in quotes (double ones, or the backquotes of MySQL), without them
  kString,    // a string constant of any form, without its quotes
  kNumber,    // digits, as written
  kOperator,  // an operator, a bracket, a comma and so on
};

struct SqlToken {
  TokenKind kind;
  std::string text;
  size_t offset;  // of its first byte in the text
  size_t length;  // of the token as written
};

// Comments and white space are left out.
std::vector<SqlToken> Tokenize(std::string_view sql);

// What stays the same when a statement is written in another way: casts with ::, IF [NOT] EXISTS
// and the schema public are left out, a quoted constant is equal to a bare number, a quoted name to
// a bare one, and words are lower case. Each token begins with a letter for its kind (n: name or
// word, s: constant, o: operator), so that a constant is never taken for a word.
std::vector<std::string> Normalized(const std::vector<SqlToken> &tokens);

// The same as one line of text.
std::string NormalizedText(const std::vector<SqlToken> &tokens);

// Words of SQL that are no names here: keywords that hold a statement together, and types.
bool IsKeyword(std::string_view word);
bool IsTypeWord(std::string_view word);

}  // namespace agent_branch
