// What may not stand in a migration, and what cannot share a transaction with the rest.
#include "postgres/script_parts.hpp"
#include "postgres/tree_names.hpp"
#include "worker/core/script/body_text.hpp"
#include "worker/core/script/script_text.hpp"

namespace agent_branch {
namespace {

Status Refuse(const std::string &what, int line, const char *hint) {
  return Status::Error("0A000", what + " is not possible in a migration",
                       "It is in line " + std::to_string(line) + ".", hint);
}

Status RefuseSession(const std::string &what, int line) {
  return Refuse(what, line,
                "It would change the connection that migrations run on. A migration runs as the "
                "branch's role; owners are changed with ALTER … OWNER TO.");
}

Status RefuseForeign(const std::string &what, int line) {
  return Refuse(what, line, "It is no part of a branch's schema: a merge could not carry it over.");
}

Status FindRefusedSetting(const VariableSetStmt *setting, int line) {
  if (setting->kind == VAR_RESET_ALL) return RefuseSession("RESET ALL", line);
  if (setting->name == nullptr) return {};
  const std::string name = setting->name;
  if (name == "role") return RefuseSession("SET ROLE", line);
  if (name == "session_authorization") return RefuseSession("SET SESSION AUTHORIZATION", line);
  return {};
}

Status FindRefusedIndex(const IndexStmt *index, int line) {
  if (!index->concurrent || index->idxname != nullptr) return {};
  return Status::Error("0A000", "CREATE INDEX CONCURRENTLY needs a name in a migration",
                       "It is in line " + std::to_string(line) + ".",
                       "Name the index: whether it was built is looked up by that when the "
                       "connection breaks.");
}

bool IsCopyWithClient(const Node *statement) {
  return IsA(statement, CopyStmt) &&
         reinterpret_cast<const CopyStmt *>(statement)->filename == nullptr;
}

void Mark(ScriptStatement *described, NonTransactional alone, const char *what) {
  described->non_transactional = alone;
  described->alone_reason = std::string(what) + " cannot run inside a transaction block";
}

void DescribeDrop(const DropStmt *drop, ScriptStatement *described) {
  if (!drop->concurrent || drop->objects == NIL) return;
  Mark(described, NonTransactional::kDropIndex, "DROP INDEX CONCURRENTLY");
  described->alone_object = NameOfObject(static_cast<const Node *>(linitial(drop->objects)));
}

void DescribeIndex(const IndexStmt *index, ScriptStatement *described) {
  if (!index->concurrent) return;
  Mark(described, NonTransactional::kCreateIndex, "CREATE INDEX CONCURRENTLY");
  described->alone_object = QuotedName(index->idxname);
  described->alone_relation = NameOf(index->relation);
}

void DescribeAlterTable(const AlterTableStmt *alter, ScriptStatement *described) {
  for (int n = 0; n < list_length(alter->cmds); ++n) {
    const auto *command = static_cast<const AlterTableCmd *>(list_nth(alter->cmds, n));
    if (command->subtype != AT_DetachPartition) continue;
    const auto *partition = reinterpret_cast<const PartitionCmd *>(command->def);
    if (!partition->concurrent) continue;
    Mark(described, NonTransactional::kDetachPartition,
         "ALTER TABLE … DETACH PARTITION CONCURRENTLY");
    described->alone_object = NameOf(partition->name);
    described->alone_relation = NameOf(alter->relation);
  }
}

void DescribeReindex(const ReindexStmt *reindex, ScriptStatement *described) {
  const bool many = reindex->kind != REINDEX_OBJECT_INDEX && reindex->kind != REINDEX_OBJECT_TABLE;
  if (HasOption(reindex->params, "concurrently")) {
    Mark(described,
         reindex->relation != nullptr ? NonTransactional::kReindex : NonTransactional::kRepeatable,
         "REINDEX CONCURRENTLY");
    described->alone_relation = NameOf(reindex->relation);
  } else if (many) {
    Mark(described, NonTransactional::kRepeatable, "REINDEX of a schema or a database");
  } else {
    // Whether it is partitioned is the branch's to know, and twice does no harm.
    Mark(described, NonTransactional::kRepeatable, "REINDEX of what is partitioned");
  }
}

void DescribeCluster(const ClusterStmt *cluster, ScriptStatement *described) {
  const bool whole = cluster->relation == nullptr;
  Mark(described, NonTransactional::kRepeatable,
       whole ? "CLUSTER of a database" : "CLUSTER of what is partitioned");
  described->alone_relation = NameOf(cluster->relation);
}

void DescribeBlock(const DoStmt *block, ScriptStatement *described) {
  const char *body = BodyOf(block->args);
  if (body == nullptr) return;
  if (EndsTransaction(body)) Mark(described, NonTransactional::kOnce, "DO with COMMIT or ROLLBACK");
  if (AddsEnumValue(body)) described->commit_after = true;
}

void DescribeCall(ScriptStatement *described) {
  // Whether a procedure commits as it goes is not to be seen here.
  Mark(described, NonTransactional::kOnce, "CALL of a procedure that commits");
}

// set_config(name, value, false) with constants.
bool SetsForSession(const Node *expression) {
  if (!IsA(expression, FuncCall)) return false;
  const auto *call = reinterpret_cast<const FuncCall *>(expression);
  const char *name = strVal(llast(call->funcname));
  if (strcmp(name, "set_config") != 0 || list_length(call->args) != 3) return false;
  const auto *local = static_cast<const Node *>(lthird(call->args));
  return !IsA(local, A_Const) || !IsA(&reinterpret_cast<const A_Const *>(local)->val, Boolean) ||
         !boolVal(&reinterpret_cast<const A_Const *>(local)->val);
}

}  // namespace

const char *BodyOf(const List *options) {
  for (int n = 0; n < list_length(options); ++n) {
    const auto *option = static_cast<const DefElem *>(list_nth(options, n));
    if (strcmp(option->defname, "as") != 0 || option->arg == nullptr) continue;
    if (IsA(option->arg, String)) return strVal(option->arg);
    if (!IsA(option->arg, List)) continue;
    const auto *texts = reinterpret_cast<const List *>(option->arg);
    if (texts != NIL) return strVal(linitial(texts));
  }
  return nullptr;
}

bool HasOption(const List *options, const char *name) {
  for (int n = 0; n < list_length(options); ++n) {
    const auto *option = static_cast<const DefElem *>(list_nth(options, n));
    if (strcmp(option->defname, name) != 0) continue;
    if (option->arg == nullptr) return true;
    if (IsA(option->arg, Integer)) return intVal(option->arg) != 0;
    if (!IsA(option->arg, String)) return true;
    const std::string value = strVal(option->arg);
    return value != "false" && value != "off" && value != "0";
  }
  return false;
}

Boundary BoundaryOf(const Node *statement) {
  if (!IsA(statement, TransactionStmt)) return Boundary::kNone;
  const auto *control = reinterpret_cast<const TransactionStmt *>(statement);
  if (control->kind == TRANS_STMT_BEGIN || control->kind == TRANS_STMT_START)
    return Boundary::kBegin;
  const bool ends = control->kind == TRANS_STMT_COMMIT && !control->chain;
  return ends ? Boundary::kCommit : Boundary::kNone;
}

Status FindRefusal(const Node *statement, int line) {
  if (IsCopyWithClient(statement)) return RefuseCopy(line);
  switch (nodeTag(statement)) {
    case T_TransactionStmt:
      if (BoundaryOf(statement) != Boundary::kNone) return {};
      return RefuseTransactionControl(line);
    case T_VariableSetStmt:
      return FindRefusedSetting(reinterpret_cast<const VariableSetStmt *>(statement), line);
    case T_IndexStmt:
      return FindRefusedIndex(reinterpret_cast<const IndexStmt *>(statement), line);
    case T_DiscardStmt:
      if (reinterpret_cast<const DiscardStmt *>(statement)->target != DISCARD_ALL) return {};
      return RefuseSession("DISCARD ALL", line);
    case T_ListenStmt:
      return RefuseSession("LISTEN", line);
    case T_UnlistenStmt:
      return RefuseSession("UNLISTEN", line);
    case T_LoadStmt:
      return RefuseSession("LOAD", line);
    case T_AlterSystemStmt:
      return RefuseForeign("ALTER SYSTEM", line);
    case T_CreatedbStmt:
      return RefuseForeign("CREATE DATABASE", line);
    case T_DropdbStmt:
      return RefuseForeign("DROP DATABASE", line);
    case T_CreateTableSpaceStmt:
      return RefuseForeign("CREATE TABLESPACE", line);
    case T_DropTableSpaceStmt:
      return RefuseForeign("DROP TABLESPACE", line);
    case T_CreateSubscriptionStmt:
      return RefuseForeign("CREATE SUBSCRIPTION", line);
    case T_AlterSubscriptionStmt:
      return RefuseForeign("ALTER SUBSCRIPTION", line);
    case T_DropSubscriptionStmt:
      return RefuseForeign("DROP SUBSCRIPTION", line);
    default:
      return {};
  }
}

void DescribeAlone(const Node *statement, ScriptStatement *described) {
  switch (nodeTag(statement)) {
    case T_IndexStmt:
      return DescribeIndex(reinterpret_cast<const IndexStmt *>(statement), described);
    case T_DropStmt:
      return DescribeDrop(reinterpret_cast<const DropStmt *>(statement), described);
    case T_AlterTableStmt:
      return DescribeAlterTable(reinterpret_cast<const AlterTableStmt *>(statement), described);
    case T_ReindexStmt:
      return DescribeReindex(reinterpret_cast<const ReindexStmt *>(statement), described);
    case T_VacuumStmt:
      if (reinterpret_cast<const VacuumStmt *>(statement)->is_vacuumcmd)
        Mark(described, NonTransactional::kRepeatable, "VACUUM");
      return;
    case T_ClusterStmt:
      return DescribeCluster(reinterpret_cast<const ClusterStmt *>(statement), described);
    case T_DoStmt:
      return DescribeBlock(reinterpret_cast<const DoStmt *>(statement), described);
    case T_CallStmt:
      return DescribeCall(described);
    default:
      return;
  }
}

bool IsSetting(const Node *statement) {
  if (IsA(statement, VariableSetStmt)) {
    const auto *setting = reinterpret_cast<const VariableSetStmt *>(statement);
    // SET TRANSACTION is of this transaction only.
    const bool transaction = setting->kind == VAR_SET_MULTI && setting->name != nullptr &&
                             strcmp(setting->name, "SESSION CHARACTERISTICS") != 0;
    return !setting->is_local && !transaction;
  }
  if (!IsA(statement, SelectStmt)) return false;
  const auto *select = reinterpret_cast<const SelectStmt *>(statement);
  if (list_length(select->targetList) != 1 || select->fromClause != NIL) return false;
  return SetsForSession(static_cast<const ResTarget *>(linitial(select->targetList))->val);
}

const char *NewEnumValue(const Node *statement) {
  if (!IsA(statement, AlterEnumStmt)) return nullptr;
  const auto *alter = reinterpret_cast<const AlterEnumStmt *>(statement);
  return alter->oldVal == nullptr ? alter->newVal : nullptr;
}

}  // namespace agent_branch
