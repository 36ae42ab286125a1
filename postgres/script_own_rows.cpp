// Which of a script's statements fill its own tables and columns with rows.
#include <cstring>

#include "postgres/script_own.hpp"
#include "postgres/script_parts.hpp"
#include "postgres/tree_names.hpp"

namespace agent_branch {
namespace {

// Whether the condition, or a part of it that AND joins, is that the column is null.
bool RequiresNull(const Node *condition, const char *column) {
  if (condition == nullptr) return false;
  if (IsA(condition, BoolExpr)) {
    const auto *joined = reinterpret_cast<const BoolExpr *>(condition);
    if (joined->boolop != AND_EXPR) return false;
    for (int n = 0; n < list_length(joined->args); ++n) {
      const auto *part = static_cast<const Node *>(list_nth(joined->args, n));
      if (!IsA(part, BoolExpr) && RequiresNull(part, column)) return true;
    }
    return false;
  }
  if (!IsA(condition, NullTest)) return false;
  const auto *test = reinterpret_cast<const NullTest *>(condition);
  if (test->nulltesttype != IS_NULL || !IsA(test->arg, ColumnRef)) return false;
  const auto *last =
      static_cast<const Node *>(llast(reinterpret_cast<const ColumnRef *>(test->arg)->fields));
  return IsA(last, String) && strcmp(strVal(last), column) == 0;
}

// Nothing is lost where nothing was.
bool FillsNulls(const UpdateStmt *update) {
  for (int n = 0; n < list_length(update->targetList); ++n) {
    const auto *target = static_cast<const ResTarget *>(list_nth(update->targetList, n));
    if (!RequiresNull(update->whereClause, target->name)) return false;
  }
  return true;
}

}  // namespace

bool OwnObjects::FillsOwnColumns(const UpdateStmt *update) const {
  for (int n = 0; n < list_length(update->targetList); ++n) {
    const auto *target = static_cast<const ResTarget *>(list_nth(update->targetList, n));
    if (columns_.count(ColumnKey(update->relation, target->name)) == 0) return false;
  }
  return update->withClause == nullptr;
}

void OwnObjects::NoteUpdate(const UpdateStmt *update) {
  const bool clear =
      update->fromClause == NIL && (Selects(update->whereClause) || FillsNulls(update));
  opaque_ = opaque_ || update->withClause != nullptr;
  (clear || FillsOwnColumns(update) ? filled_ : unclear_).insert(NameOf(update->relation));
}

void OwnObjects::NoteRows(const Node *statement) {
  switch (nodeTag(statement)) {
    case T_UpdateStmt:
      return NoteUpdate(reinterpret_cast<const UpdateStmt *>(statement));
    case T_DeleteStmt: {
      const auto *remove = reinterpret_cast<const DeleteStmt *>(statement);
      const bool clear = remove->usingClause == NIL && Selects(remove->whereClause);
      opaque_ = opaque_ || remove->withClause != nullptr;
      (clear ? filled_ : unclear_).insert(NameOf(remove->relation));
      return;
    }
    case T_InsertStmt: {
      const auto *insert = reinterpret_cast<const InsertStmt *>(statement);
      opaque_ = opaque_ || insert->withClause != nullptr;
      if (insert->onConflictClause == nullptr || insert->selectStmt == nullptr) return;
      const auto *rows = reinterpret_cast<const SelectStmt *>(insert->selectStmt);
      const bool listed = IsA(rows, SelectStmt) && rows->valuesLists != NIL;
      (listed ? filled_ : unclear_).insert(NameOf(insert->relation));
      return;
    }
    case T_SelectStmt:
    case T_DoStmt:
    case T_CallStmt:
    case T_ExecuteStmt:
    case T_PrepareStmt:
    case T_ExplainStmt:
    case T_MergeStmt:
    case T_CopyStmt:
    case T_CreateTableAsStmt:
    case T_DeclareCursorStmt:
    case T_RuleStmt:
    case T_CreateTrigStmt:
      opaque_ = true;
      return;
    default:
      return;
  }
}

}  // namespace agent_branch
