#include "postgres/created_objects.hpp"

namespace agent_branch {
namespace {

// A name without a schema means the one in public, which is what the catalogs' says.
void FollowSchema(const RangeVar *wanted, RangeVar *existing) {
  if (wanted == nullptr || existing == nullptr || wanted->schemaname != nullptr) return;
  if (existing->schemaname != nullptr && strcmp(existing->schemaname, "public") == 0)
    existing->schemaname = nullptr;
}

void FollowSchema(const TypeName *wanted, TypeName *existing) {
  if (list_length(wanted->names) == 1 && list_length(existing->names) == 2 &&
      strcmp(strVal(linitial(existing->names)), "public") == 0)
    existing->names = list_delete_first(existing->names);
}

// pg_get_expr() writes 'new'::text where the statement had 'new'.
Node *WithoutCastTo(const TypeName *type, Node *expression) {
  if (expression == nullptr || !IsA(expression, TypeCast)) return expression;
  auto *cast = reinterpret_cast<TypeCast *>(expression);
  if (!IsA(cast->arg, A_Const)) return expression;
  FollowSchema(type, cast->typeName);
  return equal(cast->typeName->names, type->names) ? cast->arg : expression;
}

struct Table {
  List *columns = NIL;      // ColumnDef without constraints of their own
  List *constraints = NIL;  // Constraint, as those of a table
};

ColumnDef *ColumnOf(const Table &table, const char *name) {
  ListCell *cell;
  foreach (cell, table.columns) {
    auto *column = static_cast<ColumnDef *>(lfirst(cell));
    if (strcmp(column->colname, name) == 0) return column;
  }
  return nullptr;
}

bool AddConstraint(Constraint *constraint, Table *table) {
  if (constraint->contype == CONSTR_PRIMARY) {
    ListCell *cell;
    foreach (cell, constraint->keys) {
      ColumnDef *column = ColumnOf(*table, strVal(lfirst(cell)));
      if (column == nullptr) return false;
      column->is_not_null = true;
    }
  }
  const bool known = constraint->contype == CONSTR_PRIMARY ||
                     constraint->contype == CONSTR_UNIQUE || constraint->contype == CONSTR_CHECK ||
                     constraint->contype == CONSTR_FOREIGN;
  // Which columns a key without a list of them refers to is not said here.
  if (!known || (constraint->contype == CONSTR_FOREIGN && constraint->pk_attrs == NIL))
    return false;
  table->constraints = lappend(table->constraints, constraint);
  return true;
}

bool AddOfColumn(Constraint *constraint, ColumnDef *column, Table *table) {
  switch (constraint->contype) {
    case CONSTR_NULL:
      return true;
    case CONSTR_NOTNULL:
      column->is_not_null = true;
      return constraint->conname == nullptr;
    case CONSTR_DEFAULT:
      column->raw_default = WithoutCastTo(column->typeName, constraint->raw_expr);
      return true;
    case CONSTR_IDENTITY:
      column->identity = constraint->generated_when;
      column->is_not_null = true;
      return constraint->options == NIL;
    case CONSTR_PRIMARY:
    case CONSTR_UNIQUE:
      constraint->keys = list_make1(makeString(column->colname));
      return AddConstraint(constraint, table);
    case CONSTR_FOREIGN:
      constraint->fk_attrs = list_make1(makeString(column->colname));
      return AddConstraint(constraint, table);
    case CONSTR_CHECK:
      return AddConstraint(constraint, table);
    default:
      return false;
  }
}

bool IsPlain(const CreateStmt *create) {
  return create->inhRelations == NIL && create->partbound == nullptr &&
         create->partspec == nullptr && create->ofTypename == nullptr &&
         create->constraints == NIL && create->options == NIL &&
         create->oncommit == ONCOMMIT_NOOP && create->tablespacename == nullptr &&
         create->accessMethod == nullptr;
}

bool TakeApart(CreateStmt *create, Table *table) {
  if (!IsPlain(create)) return false;
  ListCell *cell;
  foreach (cell, create->tableElts) {
    if (IsA(lfirst(cell), ColumnDef)) table->columns = lappend(table->columns, lfirst(cell));
  }
  foreach (cell, create->tableElts) {
    auto *element = static_cast<Node *>(lfirst(cell));
    if (IsA(element, Constraint)) {
      if (!AddConstraint(reinterpret_cast<Constraint *>(element), table)) return false;
      continue;
    }
    if (!IsA(element, ColumnDef)) return false;
    auto *column = reinterpret_cast<ColumnDef *>(element);
    ListCell *own;
    foreach (own, column->constraints) {
      if (!AddOfColumn(static_cast<Constraint *>(lfirst(own)), column, table)) return false;
    }
    column->constraints = NIL;
  }
  return true;
}

// id serial is an integer with a default out of a sequence that is named after it.
void SpellOutSerial(const RangeVar *table, ColumnDef *wanted, ColumnDef *existing) {
  if (list_length(wanted->typeName->names) != 1 || wanted->raw_default != nullptr) return;
  const char *name = strVal(linitial(wanted->typeName->names));
  const char *type = strcmp(name, "serial") == 0        ? "int4"
                     : strcmp(name, "bigserial") == 0   ? "int8"
                     : strcmp(name, "smallserial") == 0 ? "int2"
                                                        : nullptr;
  if (type == nullptr || existing->raw_default == nullptr) return;
  const char *sequence = psprintf("public.%s_%s_seq", table->relname, wanted->colname);
  Node *regclass = reinterpret_cast<Node *>(raw_parser(
      psprintf("SELECT nextval(%s::regclass)", quote_literal_cstr(sequence)), RAW_PARSE_DEFAULT));
  auto *query = reinterpret_cast<SelectStmt *>(
      static_cast<RawStmt *>(linitial(reinterpret_cast<List *>(regclass)))->stmt);
  Node *expected = static_cast<ResTarget *>(linitial(query->targetList))->val;
  if (!equal(expected, existing->raw_default)) return;
  wanted->typeName->names =
      list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup(type)));
  wanted->raw_default = existing->raw_default;
  wanted->is_not_null = true;
}

bool AreAlike(const CreateStmt *create, ColumnDef *wanted, ColumnDef *existing) {
  SpellOutSerial(create->relation, wanted, existing);
  FollowSchema(wanted->typeName, existing->typeName);
  return equal(wanted, existing);
}

bool AreAlike(Constraint *wanted, Constraint *existing) {
  if (wanted->contype != existing->contype) return false;
  FollowSchema(wanted->pktable, existing->pktable);
  char *name = existing->conname;
  if (wanted->conname == nullptr) existing->conname = nullptr;
  const bool alike = equal(wanted, existing);
  existing->conname = name;
  return alike;
}

bool TakeOut(Constraint *wanted, List **existing) {
  ListCell *cell;
  foreach (cell, *existing) {
    if (!AreAlike(wanted, static_cast<Constraint *>(lfirst(cell)))) continue;
    *existing = list_delete_cell(*existing, cell);
    return true;
  }
  return false;
}

bool AreAlike(CreateStmt *wanted, CreateStmt *existing) {
  Table left;
  Table right;
  if (!TakeApart(wanted, &left) || !TakeApart(existing, &right)) return false;
  FollowSchema(wanted->relation, existing->relation);
  if (!equal(wanted->relation, existing->relation)) return false;
  if (list_length(left.columns) != list_length(right.columns) ||
      list_length(left.constraints) != list_length(right.constraints))
    return false;
  for (int n = 0; n < list_length(left.columns); ++n) {
    if (!AreAlike(wanted, static_cast<ColumnDef *>(list_nth(left.columns, n)),
                  static_cast<ColumnDef *>(list_nth(right.columns, n))))
      return false;
  }
  ListCell *cell;
  foreach (cell, left.constraints) {
    if (!TakeOut(static_cast<Constraint *>(lfirst(cell)), &right.constraints)) return false;
  }
  return right.constraints == NIL;
}

bool AreAlike(IndexStmt *wanted, IndexStmt *existing) {
  FollowSchema(wanted->relation, existing->relation);
  // How it is built says nothing of what it is.
  wanted->concurrent = existing->concurrent = false;
  wanted->if_not_exists = existing->if_not_exists = false;
  return wanted->idxname != nullptr && equal(wanted, existing);
}

}  // namespace

bool AreCreatedAlike(Node *wanted, Node *existing) {
  if (nodeTag(wanted) != nodeTag(existing)) return false;
  if (IsA(wanted, CreateStmt))
    return AreAlike(reinterpret_cast<CreateStmt *>(wanted),
                    reinterpret_cast<CreateStmt *>(existing));
  if (IsA(wanted, IndexStmt))
    return AreAlike(reinterpret_cast<IndexStmt *>(wanted), reinterpret_cast<IndexStmt *>(existing));
  return false;
}

}  // namespace agent_branch
