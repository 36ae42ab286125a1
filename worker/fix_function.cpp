#include "worker/fix_function.hpp"

#include "postgres/guard.hpp"
#include "postgres/spi.hpp"
#include "worker/core/state/checks.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

// Plain PostgreSQL code from here on: an ERROR passes through.

Oid FindFunction(const char *name) {
  const char *dot = strchr(name, '.');
  List *names = dot == nullptr ? list_make1(makeString(pstrdup(name)))
                               : list_make2(makeString(pnstrdup(name, dot - name)),
                                            makeString(pstrdup(dot + 1)));
  const Oid arguments[] = {JSONBOID};
  return LookupFuncName(names, 1, arguments, false);
}

// A function runs with the rights of whoever calls it, and says what its owner wants: an owner with
// fewer rights would have those of the role that named the function.
void CheckFunction(Oid function, const char *name) {
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("function %s is gone", name)));
  const auto *row = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  const Oid owner = row->proowner;
  const bool fits =
      row->prorettype == TEXTOID && !row->proretset && row->prokind == PROKIND_FUNCTION;
  ReleaseSysCache(tuple);
  if (!fits)
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("%s(jsonb) is no function that returns text", name)));
  if (!MayExecute(function, GetUserId()))
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for function %s", name),
                    errdetail("It is called as role \"%s\", which registered the project.",
                              GetUserNameFromId(GetUserId(), false))));
  if (!has_privs_of_role(owner, GetUserId()))
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("function %s belongs to a role that could misuse it", name),
             errdetail("It is owned by \"%s\" and would run with the rights of \"%s\", which "
                       "registered the project.",
                       GetUserNameFromId(owner, false), GetUserNameFromId(GetUserId(), false)),
             errhint("Have the function's owner register the project, or make the role that "
                     "registered it the owner of the function.")));
}

// The text, in memory of the transaction, or null. By oid: between the checks and the call nobody
// can put another function in its place.
const char *Call(const char *name, const char *argument) {
  const Oid function = FindFunction(name);
  CheckFunction(function, name);
  FmgrInfo info;
  fmgr_info(function, &info);
  LOCAL_FCINFO(fcinfo, 1);
  InitFunctionCallInfoData(*fcinfo, &info, 1, DEFAULT_COLLATION_OID, nullptr, nullptr);
  fcinfo->args[0].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(argument));
  fcinfo->args[0].isnull = false;
  InvokeFunctionExecuteHook(function);
  const Datum answer = FunctionCallInvoke(fcinfo);
  return fcinfo->isnull ? nullptr : TextDatumGetCString(answer);
}

}  // namespace

std::string CallFixFunction(const HelperTask &task) {
  // The option was checked, but tables can be written by a restored dump, too.
  if (Status name = CheckFunctionName(task.function); !name.ok()) RaiseStatus(name);
  Transaction transaction;
  // To the end of the transaction and of the process: nothing of it runs outside of this.
  SetUserIdAndSecContext(GetUserId(), SECURITY_RESTRICTED_OPERATION);
  const char *text = CallPg([name = task.function.c_str(), argument = task.text.c_str()] {
    return Call(name, argument);
  });
  std::string answer = text == nullptr ? "" : text;
  transaction.Commit();
  if (answer.find_first_not_of(" \t\r\n") == std::string::npos) answer.clear();
  if (answer.size() > kMaxMigrationBytes)
    Raise("54000", "the function's text is longer than a migration may be");
  return answer;
}

}  // namespace agent_branch
