// What may be a risk in ALTER TABLE.
#include <cstring>

#include "postgres/guard.hpp"
#include "postgres/script_parts.hpp"
#include "postgres/script_risk_parts.hpp"
#include "postgres/tree_names.hpp"

namespace agent_branch {
namespace {

// Whether each row would get a value of its own: a function that is not known to be stable is
// taken for one that gives another value each time. What was found of it stops the walk.
bool FindOwnValue(Node *node, void *context) {
  static constexpr const char *kStable[] = {"now",
                                            "transaction_timestamp",
                                            "statement_timestamp",
                                            "lower",
                                            "upper",
                                            "timezone",
                                            "date_trunc",
                                            "to_char",
                                            "concat",
                                            "to_timestamp",
                                            "json_build_object",
                                            "jsonb_build_object",
                                            "json_build_array",
                                            "jsonb_build_array",
                                            "make_interval",
                                            "md5",
                                            "current_setting",
                                            "coalesce",
                                            "to_jsonb",
                                            "replace",
                                            "left",
                                            "right",
                                            "trim",
                                            "btrim",
                                            "array_fill",
                                            "make_date",
                                            "date_part",
                                            "extract",
                                            "round"};
  if (node == nullptr) return false;
  if (IsA(node, FuncCall)) {
    const char *name = strVal(llast(reinterpret_cast<const FuncCall *>(node)->funcname));
    bool stable = false;
    for (const char *known : kStable)
      stable = stable || strcmp(name, known) == 0;
    if (!stable) return true;
  }
  if (IsA(node, String)) return false;
  return WalkRawTree(node, FindOwnValue, context);
}

// A default that every row shares is not written into the rows.
bool IsSharedValue(Node *expression) {
  // A loop, since casts can be heaped up to any depth.
  while (expression != nullptr && IsA(expression, TypeCast))
    expression = reinterpret_cast<TypeCast *>(expression)->arg;
  try {
    return !CallPg([expression] { return FindOwnValue(expression, nullptr); });
  } catch (const PgException &) {
    return false;  // nested too deep to tell
  }
}

bool IsSerial(const TypeName *type) {
  if (type == nullptr || type->names == NIL) return false;
  const std::string name = strVal(llast(type->names));
  return name.size() >= 6 && name.compare(name.size() - 6, 6, "serial") == 0;
}

void FindInNewColumn(const std::string &table, const ColumnDef *column, Risks *risks) {
  bool has_value = IsSerial(column->typeName);
  bool written = has_value;
  bool not_null = column->is_not_null;
  bool primary = false;
  for (int n = 0; n < list_length(column->constraints); ++n) {
    const auto *constraint = static_cast<const Constraint *>(list_nth(column->constraints, n));
    const ConstrType type = constraint->contype;
    if (type == CONSTR_NOTNULL) not_null = true;
    if (type == CONSTR_PRIMARY) primary = true;
    if (type == CONSTR_DEFAULT || type == CONSTR_IDENTITY || type == CONSTR_GENERATED)
      has_value = true;
    if (type == CONSTR_UNIQUE || type == CONSTR_PRIMARY)
      risks->push_back(
          TableRisk(RiskKind::kLock, table, kAccessExclusive, "an index is built under the lock"));
    if (type == CONSTR_CHECK && !constraint->skip_validation)
      risks->push_back(TableRisk(RiskKind::kNotValid, table, kAccessExclusive,
                                 "all rows are checked under the lock"));
    if (type == CONSTR_DEFAULT && !IsSharedValue(constraint->raw_expr)) written = true;
    if (type == CONSTR_IDENTITY || (type == CONSTR_GENERATED && IsStored(constraint)))
      written = true;
  }
  if ((not_null || primary) && !has_value) {
    risks->push_back(ColumnRisk(RiskKind::kNotNull, table, column->colname,
                                "a new column that must not be null has no default"));
  }
  if (written) {
    risks->push_back(ColumnRisk(RiskKind::kRewrite, table, column->colname,
                                "every row gets a value of its own, so the table is written anew"));
  }
}

void FindInConstraint(const std::string &table, const Constraint *constraint, Risks *risks) {
  const std::string name = QuotedName(constraint->conname);
  const std::string object = name.empty() ? table : table + "." + name;
  switch (constraint->contype) {
    case CONSTR_CHECK:
    case CONSTR_FOREIGN:
      if (constraint->skip_validation) return;
      risks->push_back(MakeRisk(
          RiskKind::kNotValid, "constraint", object, table,
          constraint->contype == CONSTR_FOREIGN ? "SHARE ROW EXCLUSIVE" : kAccessExclusive,
          "all rows are checked under the lock; add it NOT VALID, and VALIDATE CONSTRAINT after"));
      return;
    case CONSTR_PRIMARY:
    case CONSTR_UNIQUE:
    case CONSTR_EXCLUSION:
      if (constraint->indexname != nullptr) return;
      risks->push_back(MakeRisk(RiskKind::kLock, "constraint", object, table, kAccessExclusive,
                                "an index is built under the lock"));
      return;
    default:
      return;
  }
}

std::string PartitionOf(const AlterTableCmd *command) {
  return NameOf(reinterpret_cast<const PartitionCmd *>(command->def)->name);
}

// USING with an expression in which no column stands.
bool LosesValues(const ColumnDef *column) {
  return column != nullptr && column->raw_default != nullptr &&
         !MentionsColumn(column->raw_default);
}

void FindInCommand(const std::string &table, const AlterTableCmd *command, Risks *risks) {
  switch (command->subtype) {
    case AT_AddColumn:
      return FindInNewColumn(table, reinterpret_cast<const ColumnDef *>(command->def), risks);
    case AT_DropColumn:
      risks->push_back(ColumnRisk(RiskKind::kDrop, table, command->name, "its values go with it"));
      return;
    case AT_DropConstraint:
      risks->push_back(MakeRisk(RiskKind::kDrop, "constraint",
                                table + "." + QuotedName(command->name), table, kAccessExclusive,
                                "what it kept out may come in"));
      risks->back().lookup = QuotedName(command->name);
      return;
    case AT_AlterColumnType:
      risks->push_back(ColumnRisk(RiskKind::kRewrite, table, command->name,
                                  "the table is written anew, unless both types are stored alike"));
      if (LosesValues(reinterpret_cast<const ColumnDef *>(command->def)))
        risks->push_back(ColumnRisk(RiskKind::kDrop, table, command->name,
                                    "its values go: what comes in their place does not use them"));
      return;
    case AT_DetachPartition:
      risks->push_back(TableRisk(RiskKind::kDrop, PartitionOf(command), kAccessExclusive,
                                 "its rows leave " + table));
      return;
    case AT_DropInherit:
      risks->push_back(TableRisk(RiskKind::kDrop, table, kAccessExclusive,
                                 "its rows leave the table that it inherits from"));
      return;
    case AT_AttachPartition:
      risks->push_back(TableRisk(RiskKind::kNotValid, PartitionOf(command), kAccessExclusive,
                                 "all its rows are checked under the lock, unless a constraint "
                                 "shows that they fit"));
      return;
    case AT_SetNotNull:
      risks->push_back(ColumnRisk(RiskKind::kNotNull, table, command->name,
                                  "all rows are checked under the lock"));
      return;
    case AT_AddConstraint:
      if (command->def != nullptr && IsA(command->def, Constraint))
        FindInConstraint(table, reinterpret_cast<const Constraint *>(command->def), risks);
      return;
    case AT_SetLogged:
    case AT_SetUnLogged:
    case AT_SetTableSpace:
    case AT_SetAccessMethod:
      risks->push_back(
          TableRisk(RiskKind::kRewrite, table, kAccessExclusive, "the table is written anew"));
      return;
    default:
      return;
  }
}

}  // namespace

void FindInAlterTable(const AlterTableStmt *alter, Risks *risks) {
  const std::string table = NameOf(alter->relation);
  for (int n = 0; n < list_length(alter->cmds); ++n)
    FindInCommand(table, static_cast<const AlterTableCmd *>(list_nth(alter->cmds, n)), risks);
}

}  // namespace agent_branch
