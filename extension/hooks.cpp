// All of this is called by PostgreSQL and calls PostgreSQL: plain code without C++ objects, through
// which an ERROR may pass.
#include "extension/hooks.hpp"

#include "extension/wake.hpp"
#include "postgres/shared_state.hpp"

namespace agent_branch {
namespace {

object_access_hook_type previous_access_hook = nullptr;
ProcessUtility_hook_type previous_utility_hook = nullptr;

// Any extension, not only this one: its name is not to be had in every case, and it is a rare event
// that costs no more than a look by the launcher.
void OnObjectAccess(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id,
                    void *argument) {
  if (previous_access_hook != nullptr)
    previous_access_hook(access, class_id, object_id, sub_id, argument);
  if (class_id == ExtensionRelationId &&
      (access == OAT_POST_CREATE || access == OAT_DROP || access == OAT_POST_ALTER))
    ExtensionChangedInThisTransaction();
}

const char *TemplateOf(const CreatedbStmt *create) {
  const ListCell *cell;
  foreach (cell, create->options) {
    auto *option = static_cast<DefElem *>(lfirst(cell));
    if (strcmp(option->defname, "template") == 0 && option->arg != nullptr)
      return defGetString(option);
  }
  return "template1";
}

bool MovesTablespace(const AlterDatabaseStmt *alter) {
  const ListCell *cell;
  foreach (cell, alter->options)
    if (strcmp(static_cast<DefElem *>(lfirst(cell))->defname, "tablespace") == 0) return true;
  return false;
}

// The database that must have no connections for this statement, if there is one.
const char *DatabaseToBeFree(const Node *tree) {
  switch (nodeTag(tree)) {
    case T_DropdbStmt:
      return reinterpret_cast<const DropdbStmt *>(tree)->dbname;
    case T_CreatedbStmt:
      return TemplateOf(reinterpret_cast<const CreatedbStmt *>(tree));
    case T_RenameStmt: {
      auto *rename = reinterpret_cast<const RenameStmt *>(tree);
      return rename->renameType == OBJECT_DATABASE ? rename->subname : nullptr;
    }
    case T_AlterDatabaseStmt: {
      auto *alter = reinterpret_cast<const AlterDatabaseStmt *>(tree);
      return MovesTablespace(alter) ? alter->dbname : nullptr;
    }
    default:
      return nullptr;
  }
}

bool CommitsPrepared(const Node *tree) {
  return nodeTag(tree) == T_TransactionStmt &&
         reinterpret_cast<const TransactionStmt *>(tree)->kind == TRANS_STMT_COMMIT_PREPARED;
}

bool IsTemplate(Oid database) {
  HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool is_template = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple))->datistemplate;
  ReleaseSysCache(tuple);
  return is_template;
}

// All but a change of name refuse to run in a transaction block. Found out before a worker is
// stopped, which would stay so for as long as the block is open.
void RefuseInTransactionBlock(const Node *tree, ProcessUtilityContext context) {
  const bool top_level = context == PROCESS_UTILITY_TOPLEVEL;
  if (nodeTag(tree) != T_RenameStmt)
    PreventInTransactionBlock(top_level,
                              GetCommandTagName(CreateCommandTag(const_cast<Node *>(tree))));
}

// As have_createdb_privilege(), which the minor releases before 2026 keep to themselves.
bool MayCreateDatabases() {
  if (superuser()) return true;
  HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool may = reinterpret_cast<Form_pg_authid>(GETSTRUCT(tuple))->rolcreatedb;
  ReleaseSysCache(tuple);
  return may;
}

// Only for those who may run the statement: others must not be able to stop workers with one that
// fails.
bool MayStopWorkerOf(const Node *tree, Oid database) {
  if (OwnsDatabase(database, GetUserId()))
    return nodeTag(tree) != T_CreatedbStmt || MayCreateDatabases();
  return nodeTag(tree) == T_CreatedbStmt && MayCreateDatabases() && IsTemplate(database);
}

void PauseForThisTransaction(Oid database) {
  constexpr long kTimeoutMs = 5000;
  UnpauseAtTransactionEnd();
  PauseDatabase(database);
  // If it does not exit in time, the statement itself says who is connected.
  WaitForWorkerExit(database, kTimeoutMs);
}

void OnUtility(PlannedStmt *planned, const char *text, bool read_only_tree,
               ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
               DestReceiver *receiver, QueryCompletion *completion) {
  const Node *tree = planned->utilityStmt;
  const char *name = DatabaseToBeFree(tree);
  if (name != nullptr) {
    Oid database = get_database_oid(name, true);
    if (OidIsValid(database) && MayStopWorkerOf(tree, database)) {
      RefuseInTransactionBlock(tree, context);
      PauseForThisTransaction(database);
    }
  }
  auto *run = previous_utility_hook != nullptr ? previous_utility_hook : standard_ProcessUtility;
  run(planned, text, read_only_tree, context, params, environment, receiver, completion);
  if (nodeTag(tree) == T_CreatedbStmt) {
    CommandCounterIncrement();  // so that its row is seen
    ProbeDatabaseAtCommit(
        get_database_oid(reinterpret_cast<const CreatedbStmt *>(tree)->dbname, true));
  }
  if (CommitsPrepared(tree)) PreparedTransactionCommitted();
}

}  // namespace

void InstallHooks() {
  previous_access_hook = object_access_hook;
  object_access_hook = OnObjectAccess;
  previous_utility_hook = ProcessUtility_hook;
  ProcessUtility_hook = OnUtility;
}

}  // namespace agent_branch
