// What effects.cpp and table_effects.cpp share: a statement's tokens, and names without quotes.
#pragma once

#include <string>
#include <vector>

#include "worker/core/fixer/sql_tokens.hpp"
#include "worker/core/script/script.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

using Tokens = std::vector<SqlToken>;
using Effects = std::vector<Effect>;

struct StatementText {
  Tokens tokens;
  std::string_view text;
  size_t base = 0;

  std::string All() const { return NormalizedText(tokens); }
};

// A name as it is, with its dots told from those between names.
std::string PlainName(const char *name);
std::string PlainName(const RangeVar *relation);
std::string PlainName(const List *names);
inline std::string Within(const std::string &object, const char *name) {
  return object + "." + PlainName(name);
}

bool IsToken(const Tokens &tokens, size_t at, std::string_view text);
// The pieces between commas outside of any bracket.
std::vector<Tokens> SplitAtCommas(const Tokens &tokens);

void AddTableEffects(const CreateStmt *create, const StatementText &statement, Effects *effects);
void AddTableEffects(const AlterTableStmt *alter, const StatementText &statement, Effects *effects);

}  // namespace agent_branch
