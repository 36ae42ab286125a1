// What a fix may put into a statement as a whole: a default, a conversion.
#pragma once

#include <string>

#include "worker/core/fixer/statement_repair.hpp"
#include "worker/core/fixer/text_edits.hpp"

namespace agent_branch {

class ClauseRules {
 public:
  ClauseRules(const CheckedStatement &original, const TokenText &text, const TokenText &fix,
              const CheckScene &scene)
      : original_(original), text_(text), fix_(fix), scene_(scene) {}

  // edit: puts in tokens and takes none away.
  bool Explains(const TextEdit &edit) const;

 private:
  // The beginning of the part of ALTER TABLE that the token is in.
  size_t CommandOf(size_t at) const;
  bool Default(size_t a, size_t b, size_t b_end) const;
  bool Conversion(size_t a, const std::string &expression) const;

  const CheckedStatement &original_;
  const TokenText &text_;
  const TokenText &fix_;
  const CheckScene &scene_;
};

// An expression of constants, functions that only compute and, if they may be, columns: no query,
// no call of anything else. tokens [begin, end) of the text.
bool IsHarmlessExpression(const TokenText &text, size_t begin, size_t end, bool columns);

}  // namespace agent_branch
