#include "postgres/unseen_insert.hpp"

namespace agent_branch {
namespace {

struct Column {
  const char *name;
  Datum value;
  bool null;
};

// In the transaction's memory, which ends soon after.
std::vector<Column> ColumnsOf(const NamedParams &values) {
  std::vector<Column> columns;
  for (const auto &[name, param] : values) {
    Column column{name, Datum{0}, param.is_null()};
    if (param.text())
      column.value = CallPg([&] { return CStringGetTextDatum(param.text()->c_str()); });
    else if (!column.null)
      column.value = param.value();
    columns.push_back(column);
  }
  return columns;
}

// Plain code, as all below: an ERROR passes through.
void FillSlot(TupleTableSlot *slot, Relation relation, const Column *columns, size_t count) {
  ExecClearTuple(slot);
  for (int n = 0; n < slot->tts_tupleDescriptor->natts; ++n)
    slot->tts_isnull[n] = true;
  for (size_t n = 0; n < count; ++n) {
    const AttrNumber number = get_attnum(RelationGetRelid(relation), columns[n].name);
    if (number <= 0) elog(ERROR, "column \"%s\" does not exist", columns[n].name);
    slot->tts_values[number - 1] = columns[n].value;
    slot->tts_isnull[number - 1] = columns[n].null;
  }
  ExecStoreVirtualTuple(slot);
}

// As the server itself writes what it receives of a publication: by the executor's own function for
// a row that comes from no plan.
void InsertRow(const char *table, const Column *columns, size_t count) {
  const Oid schema = get_namespace_oid("agent_branch", false);
  Relation relation = table_open(get_relname_relid(table, schema), RowExclusiveLock);
  EState *state = CreateExecutorState();
  ResultRelInfo *target = makeNode(ResultRelInfo);
  InitResultRelInfo(target, relation, 1, nullptr, 0);
  state->es_output_cid = GetCurrentCommandId(true);
  TupleTableSlot *slot = ExecInitExtraTupleSlot(state, RelationGetDescr(relation), &TTSOpsVirtual);
  FillSlot(slot, relation, columns, count);
  ExecOpenIndices(target, false);
  ExecSimpleRelationInsert(target, state, slot);
  ExecCloseIndices(target);
  ExecResetTupleTable(state->es_tupleTable, false);
  FreeExecutorState(state);
  table_close(relation, NoLock);
  CommandCounterIncrement();
}

}  // namespace

void InsertUnseen(const char *table, const NamedParams &values) {
  const std::vector<Column> columns = ColumnsOf(values);
  CallPg([&] { InsertRow(table, columns.data(), columns.size()); });
}

}  // namespace agent_branch
