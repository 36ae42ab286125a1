// What a condition keeps out, as far as its raw tree tells.
#include "postgres/guard.hpp"
#include "postgres/script_parts.hpp"

namespace agent_branch {
namespace {

bool FindColumn(Node *node, void *context) {
  if (node == nullptr || IsA(node, String)) return false;
  if (IsA(node, ColumnRef)) return true;
  return WalkRawTree(node, FindColumn, context);
}

bool FindCall(Node *node, void *context) {
  if (node == nullptr || IsA(node, String)) return false;
  if (IsA(node, FuncCall)) {
    const char *name = strVal(llast(reinterpret_cast<const FuncCall *>(node)->funcname));
    if (strcmp(name, static_cast<const char *>(context)) == 0) return true;
  }
  return WalkRawTree(node, FindCall, context);
}

bool IsConstant(const Node *node) {
  while (node != nullptr && IsA(node, TypeCast))
    node = reinterpret_cast<const TypeCast *>(node)->arg;
  return node != nullptr && IsA(node, A_Const);
}

// Each raises where the tree is too deep for the stack.
bool KeepsOut(Node *condition);

bool JoinedKeepsOut(const BoolExpr *joined) {
  // AND keeps out what one of its parts does, OR what all of them do.
  const bool all = joined->boolop == OR_EXPR;
  for (int n = 0; n < list_length(joined->args); ++n) {
    if (KeepsOut(static_cast<Node *>(list_nth(joined->args, n))) != all) return !all;
  }
  return all;
}

bool KeepsOut(Node *condition) {
  check_stack_depth();
  if (condition == nullptr) return false;
  if (IsA(condition, CurrentOfExpr)) return true;
  if (IsA(condition, BoolExpr)) return JoinedKeepsOut(reinterpret_cast<BoolExpr *>(condition));
  if (IsA(condition, A_Expr)) {
    const auto *comparison = reinterpret_cast<const A_Expr *>(condition);
    if (equal(comparison->lexpr, comparison->rexpr)) return false;
  }
  if (IsA(condition, SubLink)) {
    const auto *link = reinterpret_cast<const SubLink *>(condition);
    if (link->testexpr == nullptr) return FindColumn(link->subselect, nullptr);
  }
  return FindColumn(condition, nullptr);
}

bool ComparesWithConstants(Node *condition) {
  check_stack_depth();
  if (condition == nullptr) return false;
  if (IsA(condition, BoolExpr)) {
    const auto *joined = reinterpret_cast<const BoolExpr *>(condition);
    if (joined->boolop != AND_EXPR) return false;
    for (int n = 0; n < list_length(joined->args); ++n) {
      if (ComparesWithConstants(static_cast<Node *>(list_nth(joined->args, n)))) return true;
    }
    return false;
  }
  if (!IsA(condition, A_Expr)) return false;
  const auto *comparison = reinterpret_cast<const A_Expr *>(condition);
  const bool column = comparison->lexpr != nullptr && IsA(comparison->lexpr, ColumnRef);
  if (!column || strcmp(strVal(llast(comparison->name)), "=") != 0) return false;
  if (comparison->kind == AEXPR_OP) return IsConstant(comparison->rexpr);
  if (comparison->kind != AEXPR_IN || !IsA(comparison->rexpr, List)) return false;
  const auto *values = reinterpret_cast<const List *>(comparison->rexpr);
  for (int n = 0; n < list_length(values); ++n) {
    if (!IsConstant(static_cast<const Node *>(list_nth(values, n)))) return false;
  }
  return true;
}

bool Ask(bool (*question)(Node *), Node *condition, bool too_deep) {
  try {
    return CallPg([=] { return question(condition); });
  } catch (const PgException &) {
    return too_deep;
  }
}

}  // namespace

bool Filters(Node *condition) {
  return Ask(KeepsOut, condition, false);
}

bool Selects(Node *condition) {
  return Ask(ComparesWithConstants, condition, false);
}

bool MentionsColumn(Node *expression) {
  return Ask([](Node *node) { return FindColumn(node, nullptr); }, expression, false);
}

bool CallsFunction(const SelectStmt *select, const char *name) {
  auto *tree = reinterpret_cast<Node *>(const_cast<SelectStmt *>(select));
  try {
    return CallPg([=] { return FindCall(tree, const_cast<char *>(name)); });
  } catch (const PgException &) {
    return true;
  }
}

}  // namespace agent_branch
