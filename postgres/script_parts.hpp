// What script_reader.cpp asks about one statement's raw parse tree.
//
// Find…() and Describe…() read memory only. CollectNames() calls PostgreSQL and may raise: it is
// called inside CallPg(), and what it makes lives in the current memory context.
#pragma once

#include <string>
#include <vector>

#include "worker/core/script/script.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

// Ok(), or why a migration may not hold the statement, which begins in this line.
Status FindRefusal(const Node *statement, int line);
// BEGIN and COMMIT without more to them.
Boundary BoundaryOf(const Node *statement);
// Whether it has to run alone, and how it is proven then.
void DescribeAlone(const Node *statement, ScriptStatement *described);
// SET for what comes after the transaction: with SET, or SELECT set_config(…, false) alone.
bool IsSetting(const Node *statement);
// The value that ALTER TYPE … ADD VALUE adds; null for anything else.
const char *NewEnumValue(const Node *statement);
std::vector<StatementRisk> FindRisks(const Node *statement);

// Whether a condition keeps any row out, as far as it can be seen: one without a column, or that
// compares a column with itself, does not. What is nested too deep to tell counts as if it did not.
bool Filters(Node *condition);
// Whether it compares a column with constants, all of it or a part that AND joins.
bool Selects(Node *condition);
bool MentionsColumn(Node *expression);
bool CallsFunction(const SelectStmt *select, const char *name);
// The code of DO, or of CREATE FUNCTION; null where there is none.
const char *BodyOf(const List *options);

// Appends the nodes that name relations, functions and types: RangeVar, FuncCall, TypeName, and
// what NameOfObject() knows.
void CollectNames(Node *statement, List **names);

// Whether an option such as CONCURRENTLY, FULL or ANALYZE is among these, and not off.
bool HasOption(const List *options, const char *name);

}  // namespace agent_branch
