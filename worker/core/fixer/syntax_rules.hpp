// What an edit may be that mends a text which no parser takes; see syntax_repair.hpp.
#pragma once

#include <string_view>
#include <vector>

#include "worker/core/fixer/text_edits.hpp"

namespace agent_branch {

// Words that a slip of the pen may be meant to be, those that it may not become included.
const std::vector<std::string_view> &SlipWords();

// Explains one edit of the fix's as a row of listed ones.
class SyntaxRules {
 public:
  SyntaxRules(const TokenText &original, const TokenText &fix, size_t stop)
      : original_(original), fix_(fix), stop_(stop) {}

  bool Explains(const TextEdit &edit) const;

  // How many tokens from `a` on mean nothing in PostgreSQL.
  size_t Dropped(size_t a) const { return IsWidth(a) ? 3 : TableOption(a); }

  // Of a single word that becomes another one: whether it is a slip of the pen.
  bool IsSlip(const TextEdit &edit) const;

 private:
  bool From(size_t a, size_t a_end, size_t b, size_t b_end, size_t depth) const;

  bool IsIdentical(size_t a, size_t b) const;

  // `orders` and orders, order and "order".
  bool IsSameName(size_t a, size_t b) const;

  template <class Step>
  bool Types(size_t a, size_t b, const Step &step) const;

  // AUTO_INCREMENT and IDENTITY(1, 1) are columns that count.
  template <class Step>
  bool Identity(size_t a, size_t b, const Step &step) const;

  // (1, 1), as columns count that say nothing.
  bool IsFromOne(size_t open) const;

  // A constant in double quotes.
  bool IsUnquoted(size_t a, size_t b) const;

  // INT(11)
  bool IsWidth(size_t a) const;

  // GENERATED … AS in front of IDENTITY(1, 1).
  size_t Generated(size_t a, size_t b) const;

  // INT(11), the options behind a table of MySQL's, GO; a comma or a bracket where the parser
  // stops.
  template <class Step>
  bool Drops(size_t a, size_t a_end, const Step &step) const;

  template <class Step>
  bool Inserts(size_t a, size_t b, const Step &step) const;

  // ENGINE = InnoDB and the like, behind the last bracket of a CREATE TABLE.
  size_t TableOption(size_t a) const;

  bool IsBehindTable(size_t a) const { return DepthInTable(a) == 0; }
  // Between the columns of a CREATE TABLE.
  bool IsInTable(size_t a) const { return DepthInTable(a) == 1; }

  // Of an UPDATE, ALTER or GRANT, where each part says what it is about.
  bool IsBetweenParts(size_t a) const;

  // In how many brackets of a CREATE TABLE the token stands; -1: in none of one.
  int DepthInTable(size_t a) const;

  const TokenText &original_;
  const TokenText &fix_;
  size_t stop_;  // the original's token at which the parser stops
};

}  // namespace agent_branch
