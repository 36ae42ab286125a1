#include "postgres/sql_trees.hpp"

#include "postgres/created_objects.hpp"
#include "postgres/scratch_context.hpp"
#include "postgres/script_reader.hpp"

namespace agent_branch {
namespace {

List *Parse(const std::string &sql) {
  return CallPg([text = sql.c_str()] {
    CHECK_FOR_INTERRUPTS();
    return raw_parser(text, RAW_PARSE_DEFAULT);
  });
}

Node *StatementOf(const List *trees, int n) {
  return static_cast<RawStmt *>(list_nth(trees, n))->stmt;
}

// PostgreSQL counts characters of the database's encoding, from 1.
size_t ByteOf(const std::string &sql, int position) {
  return CallPg([text = sql.c_str(), position] {
    const char *at = text;
    for (int n = 1; n < position && *at != '\0'; ++n)
      at += pg_mblen(at);
    return static_cast<size_t>(at - text);
  });
}

}  // namespace

Script PostgresSqlTrees::Read(const std::string &sql) {
  return PostgresScriptReader().Read(sql);
}

std::optional<size_t> PostgresSqlTrees::FindSyntaxError(const std::string &sql) {
  ScratchContext scratch;
  try {
    Parse(sql);
    return std::nullopt;
  } catch (const PgException &e) {
    return e.error().position > 0 ? ByteOf(sql, e.error().position) : 0;
  }
}

bool PostgresSqlTrees::Same(const std::string &one, const std::string &other) {
  ScratchContext scratch;
  try {
    const List *left = Parse(one);
    const List *right = Parse(other);
    if (list_length(left) != list_length(right)) return false;
    for (int n = 0; n < list_length(left); ++n) {
      if (!CallPg([=] { return equal(StatementOf(left, n), StatementOf(right, n)); })) return false;
    }
    return true;
  } catch (const PgException &) {
    return false;
  }
}

bool PostgresSqlTrees::CreatesTheSame(const std::string &statement, const std::string &definition) {
  ScratchContext scratch;
  try {
    const List *left = Parse(statement);
    const List *right = Parse(definition);
    if (list_length(left) != 1 || list_length(right) != 1) return false;
    return CallPg([=] { return AreCreatedAlike(StatementOf(left, 0), StatementOf(right, 0)); });
  } catch (const PgException &) {
    return false;
  }
}

}  // namespace agent_branch
