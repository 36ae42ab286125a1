// SQL text as far as it can be read without a grammar: where strings, comments and statements end.
//
// For what has to be known of a text that the parser at hand does not accept, and of the places of
// statements in one that it does. Nothing here fails, whatever the text is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

// The first byte from `from` on that is neither blank nor in a comment; the text's size if none is.
size_t SkipBlanks(std::string_view sql, size_t from);
// The end of the text before `end` without the blanks behind it.
size_t TrimEnd(std::string_view sql, size_t begin, size_t end);

// The end of what begins at `at`, which is neither blank nor a comment: a string, a name in quotes,
// a word, or one character.
size_t TokenEnd(std::string_view sql, size_t at);
// Whether a word that is not in quotes begins with this character.
bool BeginsWord(char c);

struct TextPosition {
  int line = 1;
  int column = 1;  // characters
};

// Finds the places of offsets that are asked for in ascending order, reading the text once.
class PlaceFinder {
 public:
  explicit PlaceFinder(std::string_view sql) : sql_(sql) {}
  TextPosition At(size_t offset);

 private:
  std::string_view sql_;
  size_t offset_ = 0;
  TextPosition place_;
};

// What may not stand in a migration, found by first words: a psql command, transaction control, or
// COPY from or to the client. Ok() where none is seen. `offset`: where it begins.
struct TextRefusal {
  Status status;
  size_t offset = 0;
};
TextRefusal FindRefusedText(std::string_view sql);

// The refusals that both ways of reading know; `line` is where the statement begins.
Status RefuseTransactionControl(int line);
Status RefuseCopy(int line);
Status RefuseMetaCommand(int line);

}  // namespace agent_branch
