// The relations, functions and types that a statement names.
#include "postgres/script_parts.hpp"

namespace agent_branch {
namespace {

struct Collected {
  List *names;
};

void Add(Collected *collected, const void *node) {
  if (node != nullptr) collected->names = lappend(collected->names, const_cast<void *>(node));
}

bool Collect(Node *node, void *context);

// What the walker does not go into by itself.
void CollectColumn(const ColumnDef *column, Collected *collected);

void CollectConstraint(const Constraint *constraint, Collected *collected) {
  Add(collected, constraint->pktable);
  Collect(constraint->raw_expr, collected);
}

void CollectDefinition(Node *definition, Collected *collected) {
  if (definition == nullptr) return;
  if (IsA(definition, ColumnDef)) {
    CollectColumn(reinterpret_cast<ColumnDef *>(definition), collected);
  } else if (IsA(definition, Constraint)) {
    CollectConstraint(reinterpret_cast<Constraint *>(definition), collected);
  } else if (IsA(definition, RangeVar)) {
    Add(collected, definition);
  } else if (IsA(definition, PartitionCmd)) {
    Add(collected, reinterpret_cast<PartitionCmd *>(definition)->name);
  }
}

void CollectDefinitions(const List *definitions, Collected *collected) {
  ListCell *cell;
  foreach (cell, definitions)
    CollectDefinition(static_cast<Node *>(lfirst(cell)), collected);
}

void CollectColumn(const ColumnDef *column, Collected *collected) {
  Add(collected, column->typeName);
  Collect(column->raw_default, collected);
  CollectDefinitions(column->constraints, collected);
}

void AddAll(const List *nodes, Collected *collected) {
  ListCell *cell;
  foreach (cell, nodes)
    Add(collected, lfirst(cell));
}

bool Collect(Node *node, void *context) {
  auto *collected = static_cast<Collected *>(context);
  if (node == nullptr) return false;
  if (IsA(node, RangeVar) || IsA(node, FuncCall) || IsA(node, TypeName)) Add(collected, node);
  // A list of names is no expression.
  if (IsA(node, String)) return false;
  return WalkRawTree(node, Collect, context);
}

void CollectAlterTable(const AlterTableStmt *alter, Collected *collected) {
  Add(collected, alter->relation);
  ListCell *cell;
  foreach (cell, alter->cmds)
    CollectDefinition(lfirst_node(AlterTableCmd, cell)->def, collected);
}

void CollectCreateTable(const CreateStmt *create, Collected *collected) {
  Add(collected, create->relation);
  AddAll(create->inhRelations, collected);
  CollectDefinitions(create->tableElts, collected);
}

void CollectFunction(const CreateFunctionStmt *create, Collected *collected) {
  Add(collected, create->funcname);
  Add(collected, create->returnType);
  ListCell *cell;
  foreach (cell, create->parameters)
    Add(collected, lfirst_node(FunctionParameter, cell)->argType);
}

void CollectVacuumed(const VacuumStmt *vacuum, Collected *collected) {
  ListCell *cell;
  foreach (cell, vacuum->rels)
    Add(collected, lfirst_node(VacuumRelation, cell)->relation);
}

void CollectUtility(Node *statement, Collected *collected);

void CollectStatement(Node *statement, Collected *collected) {
  if (statement == nullptr) return;
  switch (nodeTag(statement)) {
    case T_SelectStmt:
    case T_InsertStmt:
    case T_UpdateStmt:
    case T_DeleteStmt:
    case T_MergeStmt:
      Collect(statement, collected);
      return;
    default:
      CollectUtility(statement, collected);
      return;
  }
}

void CollectTableAs(const CreateTableAsStmt *create, Collected *collected) {
  Add(collected, create->into->rel);
  CollectStatement(create->query, collected);
}

void CollectTrigger(const CreateTrigStmt *create, Collected *collected) {
  Add(collected, create->relation);
  Add(collected, create->funcname);
}

// A statement of another kind names nothing here.
void CollectUtility(Node *statement, Collected *collected) {
  switch (nodeTag(statement)) {
    case T_CreateStmt:
      return CollectCreateTable(reinterpret_cast<CreateStmt *>(statement), collected);
    case T_AlterTableStmt:
      return CollectAlterTable(reinterpret_cast<AlterTableStmt *>(statement), collected);
    case T_CreateTableAsStmt:
      return CollectTableAs(reinterpret_cast<CreateTableAsStmt *>(statement), collected);
    case T_ViewStmt:
      Add(collected, reinterpret_cast<ViewStmt *>(statement)->view);
      return CollectStatement(reinterpret_cast<ViewStmt *>(statement)->query, collected);
    case T_IndexStmt:
      return Add(collected, reinterpret_cast<IndexStmt *>(statement)->relation);
    case T_DropStmt:
      return AddAll(reinterpret_cast<DropStmt *>(statement)->objects, collected);
    case T_TruncateStmt:
      return AddAll(reinterpret_cast<TruncateStmt *>(statement)->relations, collected);
    case T_LockStmt:
      return AddAll(reinterpret_cast<LockStmt *>(statement)->relations, collected);
    case T_RenameStmt:
      Add(collected, reinterpret_cast<RenameStmt *>(statement)->relation);
      return Add(collected, reinterpret_cast<RenameStmt *>(statement)->object);
    case T_AlterObjectSchemaStmt:
      Add(collected, reinterpret_cast<AlterObjectSchemaStmt *>(statement)->relation);
      return Add(collected, reinterpret_cast<AlterObjectSchemaStmt *>(statement)->object);
    case T_AlterOwnerStmt:
      Add(collected, reinterpret_cast<AlterOwnerStmt *>(statement)->relation);
      return Add(collected, reinterpret_cast<AlterOwnerStmt *>(statement)->object);
    case T_CommentStmt:
      return Add(collected, reinterpret_cast<CommentStmt *>(statement)->object);
    case T_CreateTrigStmt:
      return CollectTrigger(reinterpret_cast<CreateTrigStmt *>(statement), collected);
    case T_CreatePolicyStmt:
      return Add(collected, reinterpret_cast<CreatePolicyStmt *>(statement)->table);
    case T_AlterPolicyStmt:
      return Add(collected, reinterpret_cast<AlterPolicyStmt *>(statement)->table);
    case T_RuleStmt:
      return Add(collected, reinterpret_cast<RuleStmt *>(statement)->relation);
    case T_GrantStmt:
      return AddAll(reinterpret_cast<GrantStmt *>(statement)->objects, collected);
    case T_CreateEnumStmt:
      return Add(collected, reinterpret_cast<CreateEnumStmt *>(statement)->typeName);
    case T_AlterEnumStmt:
      return Add(collected, reinterpret_cast<AlterEnumStmt *>(statement)->typeName);
    case T_CompositeTypeStmt:
      return Add(collected, reinterpret_cast<CompositeTypeStmt *>(statement)->typevar);
    case T_CreateDomainStmt:
      Add(collected, reinterpret_cast<CreateDomainStmt *>(statement)->domainname);
      return Add(collected, reinterpret_cast<CreateDomainStmt *>(statement)->typeName);
    case T_AlterDomainStmt:
      return Add(collected, reinterpret_cast<AlterDomainStmt *>(statement)->typeName);
    case T_CreateSeqStmt:
      return Add(collected, reinterpret_cast<CreateSeqStmt *>(statement)->sequence);
    case T_AlterSeqStmt:
      return Add(collected, reinterpret_cast<AlterSeqStmt *>(statement)->sequence);
    case T_CreateFunctionStmt:
      return CollectFunction(reinterpret_cast<CreateFunctionStmt *>(statement), collected);
    case T_AlterFunctionStmt:
      return Add(collected, reinterpret_cast<AlterFunctionStmt *>(statement)->func);
    case T_CallStmt:
      return Add(collected, reinterpret_cast<CallStmt *>(statement)->funccall);
    case T_CopyStmt:
      return Add(collected, reinterpret_cast<CopyStmt *>(statement)->relation);
    case T_RefreshMatViewStmt:
      return Add(collected, reinterpret_cast<RefreshMatViewStmt *>(statement)->relation);
    case T_ClusterStmt:
      return Add(collected, reinterpret_cast<ClusterStmt *>(statement)->relation);
    case T_ReindexStmt:
      return Add(collected, reinterpret_cast<ReindexStmt *>(statement)->relation);
    case T_VacuumStmt:
      return CollectVacuumed(reinterpret_cast<VacuumStmt *>(statement), collected);
    case T_ExplainStmt:
      return CollectStatement(reinterpret_cast<ExplainStmt *>(statement)->query, collected);
    default:
      return;
  }
}

}  // namespace

void CollectNames(Node *statement, List **names) {
  Collected collected{*names};
  CollectStatement(statement, &collected);
  *names = collected.names;
}

}  // namespace agent_branch
