// What may be a risk, from a statement's raw parse tree.
#include "postgres/guard.hpp"
#include "postgres/script_parts.hpp"
#include "postgres/script_risk_parts.hpp"
#include "postgres/tree_names.hpp"
#include "worker/core/script/body_text.hpp"

namespace agent_branch {
namespace {

const char *LockName(int mode) {
  static constexpr const char *kNames[] = {
      "",      "ACCESS SHARE",        "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE",
      "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", kAccessExclusive};
  return mode >= 1 && mode <= 8 ? kNames[mode] : "";
}

bool HasRows(ObjectType type) {
  return type == OBJECT_TABLE || type == OBJECT_MATVIEW || type == OBJECT_FOREIGN_TABLE;
}

bool IsRelation(ObjectType type) {
  return HasRows(type) || type == OBJECT_VIEW || type == OBJECT_INDEX || type == OBJECT_SEQUENCE;
}

// What tells the branch of which object it is asked whether it is there.
void NameForLookup(ObjectType type, const Node *object, StatementRisk *risk) {
  switch (type) {
    case OBJECT_TRIGGER:
    case OBJECT_POLICY:
    case OBJECT_RULE: {
      const auto *names = reinterpret_cast<const List *>(object);
      risk->relation = OwnerOf(names);
      risk->lookup = QuotedName(strVal(llast(names)));
      return;
    }
    case OBJECT_FUNCTION:
    case OBJECT_PROCEDURE:
    case OBJECT_ROUTINE:
    case OBJECT_AGGREGATE:
      risk->lookup = NameOf(reinterpret_cast<const ObjectWithArgs *>(object)->objname);
      return;
    case OBJECT_TYPE:
    case OBJECT_DOMAIN:
    case OBJECT_SCHEMA:
    case OBJECT_EXTENSION:
      risk->lookup = risk->object;
      return;
    default:
      return;
  }
}

void FindInDrop(const DropStmt *drop, Risks *risks) {
  for (int n = 0; n < list_length(drop->objects); ++n) {
    const auto *object = static_cast<const Node *>(list_nth(drop->objects, n));
    StatementRisk risk;
    risk.kind = RiskKind::kDrop;
    risk.object_type = ObjectTypeName(drop->removeType);
    risk.object = NameOfObject(object);
    if (IsRelation(drop->removeType)) risk.relation = risk.object;
    NameForLookup(drop->removeType, object, &risk);
    risk.cascades = drop->behavior == DROP_CASCADE;
    risk.why = HasRows(drop->removeType) ? "its rows go with it" : "it is gone for all who use it";
    if (drop->behavior == DROP_CASCADE) risk.why += ", and so does all that depends on it";
    risks->push_back(std::move(risk));
  }
}

void FindInTruncate(const TruncateStmt *truncate, Risks *risks) {
  for (int n = 0; n < list_length(truncate->relations); ++n) {
    const std::string table =
        NameOf(static_cast<const RangeVar *>(list_nth(truncate->relations, n)));
    const bool cascades = truncate->behavior == DROP_CASCADE;
    risks->push_back(TableRisk(
        RiskKind::kTruncate, table, kAccessExclusive,
        cascades ? "all its rows go, and those of tables that refer to it" : "all its rows go"));
    risks->back().cascades = cascades;
  }
}

void FindInRename(const RenameStmt *rename, Risks *risks) {
  StatementRisk risk;
  risk.kind = RiskKind::kRename;
  risk.object_type = ObjectTypeName(rename->renameType);
  risk.object =
      rename->relation != nullptr ? NameOf(rename->relation) : NameOfObject(rename->object);
  risk.relation = NameOf(rename->relation);
  if (rename->relation != nullptr) risk.lock = kAccessExclusive;
  if (rename->subname != nullptr) {
    if (!risk.object.empty()) risk.object += '.';
    risk.object += QuotedName(rename->subname);
  }
  risk.why = "who uses it by its name has to use " + QuotedName(rename->newname);
  risks->push_back(std::move(risk));
}

void FindInMove(const AlterObjectSchemaStmt *move, Risks *risks) {
  StatementRisk risk;
  risk.kind = RiskKind::kRename;
  risk.object_type = ObjectTypeName(move->objectType);
  risk.object = move->relation != nullptr ? NameOf(move->relation) : NameOfObject(move->object);
  risk.relation = NameOf(move->relation);
  risk.why = "who uses it by its name has to look in schema " + QuotedName(move->newschema);
  risks->push_back(std::move(risk));
}

void FindInQuery(const Node *query, Risks *risks);

void FindInWith(const WithClause *with, Risks *risks) {
  if (with == nullptr) return;
  for (int n = 0; n < list_length(with->ctes); ++n)
    FindInQuery(static_cast<const CommonTableExpr *>(list_nth(with->ctes, n))->ctequery, risks);
}

void AddUnfiltered(const RangeVar *relation, const char *why, Risks *risks) {
  risks->push_back(TableRisk(RiskKind::kUnfiltered, NameOf(relation), "", why));
}

void FindInMerge(const MergeStmt *merge, Risks *risks) {
  FindInWith(merge->withClause, risks);
  for (int n = 0; n < list_length(merge->mergeWhenClauses); ++n) {
    const auto *when = static_cast<const MergeWhenClause *>(list_nth(merge->mergeWhenClauses, n));
    const bool filtered = when->condition != nullptr && Filters(when->condition);
    if (filtered) continue;
    if (when->commandType == CMD_DELETE)
      return AddUnfiltered(merge->relation, "MERGE takes all rows away that it matches", risks);
    if (when->commandType == CMD_UPDATE && !Filters(merge->joinCondition))
      return AddUnfiltered(merge->relation, "MERGE changes all rows", risks);
  }
}

void FindInSelect(const SelectStmt *select, Risks *risks) {
  FindInWith(select->withClause, risks);
  if (CallsFunction(select, "lo_unlink"))
    risks->push_back(
        MakeRisk(RiskKind::kDrop, "large object", "by lo_unlink()", "", "", "it is gone"));
}

// Statements around a query.
void FindInWrapped(const Node *statement, Risks *risks) {
  switch (nodeTag(statement)) {
    case T_ExplainStmt: {
      const auto *explain = reinterpret_cast<const ExplainStmt *>(statement);
      if (HasOption(explain->options, "analyze")) FindInQuery(explain->query, risks);
      return;
    }
    case T_PrepareStmt:
      return FindInQuery(reinterpret_cast<const PrepareStmt *>(statement)->query, risks);
    case T_CreateTableAsStmt:
      return FindInQuery(reinterpret_cast<const CreateTableAsStmt *>(statement)->query, risks);
    case T_DeclareCursorStmt:
      return FindInQuery(reinterpret_cast<const DeclareCursorStmt *>(statement)->query, risks);
    case T_CopyStmt:
      return FindInQuery(reinterpret_cast<const CopyStmt *>(statement)->query, risks);
    case T_RuleStmt: {
      const List *actions = reinterpret_cast<const RuleStmt *>(statement)->actions;
      for (int n = 0; n < list_length(actions); ++n)
        FindInQuery(static_cast<const Node *>(list_nth(actions, n)), risks);
      return;
    }
    default:
      return;
  }
}

void FindInQuery(const Node *query, Risks *risks) {
  if (query == nullptr) return;
  if (IsA(query, SelectStmt)) {
    FindInSelect(reinterpret_cast<const SelectStmt *>(query), risks);
  } else if (IsA(query, InsertStmt)) {
    FindInWith(reinterpret_cast<const InsertStmt *>(query)->withClause, risks);
    FindInQuery(reinterpret_cast<const InsertStmt *>(query)->selectStmt, risks);
  } else if (IsA(query, DeleteStmt)) {
    const auto *statement = reinterpret_cast<const DeleteStmt *>(query);
    FindInWith(statement->withClause, risks);
    if (!Filters(statement->whereClause))
      AddUnfiltered(statement->relation, "DELETE without a condition takes all rows away", risks);
  } else if (IsA(query, UpdateStmt)) {
    const auto *statement = reinterpret_cast<const UpdateStmt *>(query);
    FindInWith(statement->withClause, risks);
    if (!Filters(statement->whereClause))
      AddUnfiltered(statement->relation, "UPDATE without a condition changes all rows", risks);
  } else if (IsA(query, MergeStmt)) {
    FindInMerge(reinterpret_cast<const MergeStmt *>(query), risks);
  } else {
    FindInWrapped(query, risks);
  }
}

void FindInBlock(const DoStmt *block, Risks *risks) {
  const char *body = BodyOf(block->args);
  if (body == nullptr) return;
  for (StatementRisk &risk : FindBodyRisks(body, "a DO block"))
    risks->push_back(std::move(risk));
}

void FindInDropRole(const DropRoleStmt *drop, Risks *risks) {
  for (int n = 0; n < list_length(drop->roles); ++n) {
    const auto *role = static_cast<const RoleSpec *>(list_nth(drop->roles, n));
    StatementRisk risk = MakeRisk(RiskKind::kDrop, "role", QuotedName(role->rolename), "", "",
                                  "whoever logs in as it cannot any more");
    risk.lookup = risk.object;
    risks->push_back(std::move(risk));
  }
}

void FindInIndex(const IndexStmt *index, Risks *risks) {
  if (index->concurrent) return;
  risks->push_back(TableRisk(RiskKind::kLock, NameOf(index->relation), "SHARE",
                             "nobody writes while the index is built; CREATE INDEX CONCURRENTLY "
                             "lets them"));
}

void FindInReindex(const ReindexStmt *reindex, Risks *risks) {
  if (reindex->relation == nullptr || HasOption(reindex->params, "concurrently")) return;
  const bool table = reindex->kind == REINDEX_OBJECT_TABLE;
  risks->push_back(
      MakeRisk(RiskKind::kLock, table ? "table" : "index", NameOf(reindex->relation),
               NameOf(reindex->relation), "SHARE",
               "nobody writes while it is built anew; REINDEX CONCURRENTLY lets them"));
}

void FindInVacuum(const VacuumStmt *vacuum, Risks *risks) {
  if (!HasOption(vacuum->options, "full")) return;
  for (int n = 0; n < list_length(vacuum->rels); ++n) {
    const auto *relation = static_cast<const VacuumRelation *>(list_nth(vacuum->rels, n));
    risks->push_back(TableRisk(RiskKind::kRewrite, NameOf(relation->relation), kAccessExclusive,
                               "the table is written anew"));
  }
}

void FindInLock(const LockStmt *lock, Risks *risks) {
  for (int n = 0; n < list_length(lock->relations); ++n) {
    const auto *relation = static_cast<const RangeVar *>(list_nth(lock->relations, n));
    risks->push_back(TableRisk(RiskKind::kLock, NameOf(relation), LockName(lock->mode),
                               "it is held until the migration commits"));
  }
}

void FindInRefresh(const RefreshMatViewStmt *refresh, Risks *risks) {
  if (refresh->concurrent) return;
  risks->push_back(MakeRisk(RiskKind::kLock, "materialized view", NameOf(refresh->relation),
                            NameOf(refresh->relation), kAccessExclusive,
                            "nobody reads it while it is filled; CONCURRENTLY lets them"));
}

void FindInCluster(const ClusterStmt *cluster, Risks *risks) {
  if (cluster->relation == nullptr) return;
  risks->push_back(TableRisk(RiskKind::kRewrite, NameOf(cluster->relation), kAccessExclusive,
                             "the table is written anew"));
}

}  // namespace

StatementRisk MakeRisk(RiskKind kind, const char *type, const std::string &object,
                       const std::string &relation, const char *lock, std::string why) {
  StatementRisk risk;
  risk.kind = kind;
  risk.object_type = type;
  risk.object = object;
  risk.relation = relation;
  risk.lock = lock;
  risk.why = std::move(why);
  return risk;
}

StatementRisk TableRisk(RiskKind kind, const std::string &table, const char *lock,
                        std::string why) {
  return MakeRisk(kind, "table", table, table, lock, std::move(why));
}

StatementRisk ColumnRisk(RiskKind kind, const std::string &table, const char *column,
                         std::string why) {
  const std::string name = QuotedName(column);
  StatementRisk risk =
      MakeRisk(kind, "column", table + "." + name, table, kAccessExclusive, std::move(why));
  risk.column = name;
  return risk;
}

std::vector<StatementRisk> FindRisks(const Node *statement) {
  Risks risks;
  switch (nodeTag(statement)) {
    case T_DropStmt:
      FindInDrop(reinterpret_cast<const DropStmt *>(statement), &risks);
      break;
    case T_DropOwnedStmt:
      risks.push_back(
          MakeRisk(RiskKind::kDrop, "objects", "of a role", "", "", "all that it owns goes"));
      break;
    case T_AlterTableStmt:
      FindInAlterTable(reinterpret_cast<const AlterTableStmt *>(statement), &risks);
      break;
    case T_TruncateStmt:
      FindInTruncate(reinterpret_cast<const TruncateStmt *>(statement), &risks);
      break;
    case T_RenameStmt:
      FindInRename(reinterpret_cast<const RenameStmt *>(statement), &risks);
      break;
    case T_AlterObjectSchemaStmt:
      FindInMove(reinterpret_cast<const AlterObjectSchemaStmt *>(statement), &risks);
      break;
    case T_IndexStmt:
      FindInIndex(reinterpret_cast<const IndexStmt *>(statement), &risks);
      break;
    case T_ReindexStmt:
      FindInReindex(reinterpret_cast<const ReindexStmt *>(statement), &risks);
      break;
    case T_VacuumStmt:
      FindInVacuum(reinterpret_cast<const VacuumStmt *>(statement), &risks);
      break;
    case T_ClusterStmt:
      FindInCluster(reinterpret_cast<const ClusterStmt *>(statement), &risks);
      break;
    case T_LockStmt:
      FindInLock(reinterpret_cast<const LockStmt *>(statement), &risks);
      break;
    case T_RefreshMatViewStmt:
      FindInRefresh(reinterpret_cast<const RefreshMatViewStmt *>(statement), &risks);
      break;
    case T_DropRoleStmt:
      FindInDropRole(reinterpret_cast<const DropRoleStmt *>(statement), &risks);
      break;
    case T_DoStmt:
      FindInBlock(reinterpret_cast<const DoStmt *>(statement), &risks);
      break;
    default:
      FindInQuery(statement, &risks);
      break;
  }
  return risks;
}

}  // namespace agent_branch
