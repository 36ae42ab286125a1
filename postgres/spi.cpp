#include "postgres/spi.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxKeptPlans = 256;

struct KeptPlan {
  std::vector<Oid> types;
  SPIPlanPtr plan;
};

// Leaked on purpose: a destructor would run in proc_exit(), after PostgreSQL is torn down.
std::unordered_map<std::string, KeptPlan> &KeptPlans() {
  static auto *plans = new std::unordered_map<std::string, KeptPlan>();
  return *plans;
}

// The values in PostgreSQL's form, for as long as the memory context they are allocated in lives.
struct Arguments {
  explicit Arguments(const Params &params);
  std::vector<Oid> types;
  std::vector<Datum> values;
  std::string nulls;
};

bool IsValid(const std::string &text) {
  return pg_verify_mbstr(GetDatabaseEncoding(), text.data(), static_cast<int>(text.size()), true);
}

std::string Repaired(const std::string &text) {
  std::string valid;
  valid.reserve(text.size());
  const char *next = text.data();
  const char *end = next + text.size();
  while (next < end) {
    int length = 0;
    if (*next != '\0')
      length = pg_encoding_verifymbchar(GetDatabaseEncoding(), next, static_cast<int>(end - next));
    if (length > 0)
      valid.append(next, length);
    else
      valid.push_back('?');
    next += length > 0 ? length : 1;
  }
  return valid;
}

Datum TextDatum(const std::string &text) {
  return CallPg([&] {
    return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
  });
}

Arguments::Arguments(const Params &params) {
  for (const Param &param : params) {
    types.push_back(param.type());
    nulls.push_back(param.is_null() ? 'n' : ' ');
    if (param.is_null()) {
      values.push_back(Datum{0});
    } else if (param.text()) {
      const std::string &text = *param.text();
      values.push_back(TextDatum(IsValid(text) ? text : Repaired(text)));
    } else {
      values.push_back(param.value());
    }
  }
}

SPIPlanPtr Prepare(const char *sql, const std::vector<Oid> &types) {
  SPIPlanPtr plan = CallPg([&] {
    return SPI_prepare(sql, static_cast<int>(types.size()), const_cast<Oid *>(types.data()));
  });
  if (plan == nullptr)
    throw PgException(MakeError(ERRCODE_INTERNAL_ERROR, SPI_result_code_string(SPI_result)));
  return plan;
}

SPIPlanPtr PlanOf(const char *sql, const std::vector<Oid> &types) {
  auto &plans = KeptPlans();
  auto found = plans.find(sql);
  if (found != plans.end() && found->second.types == types) return found->second.plan;
  SPIPlanPtr plan = Prepare(sql, types);
  if (found != plans.end() || plans.size() >= kMaxKeptPlans) return plan;
  // The entry first: if it cannot be made, the plan goes with the SPI connection.
  KeptPlan &entry = plans.emplace(sql, KeptPlan{types, nullptr}).first->second;
  if (CallPg([&] { return SPI_keepplan(plan); }) == 0) {
    entry.plan = plan;
  } else {
    plans.erase(sql);
  }
  return plan;
}

// The snapshot of a query until its result has been taken: values that are out of line can be
// fetched only while there is one, and after a procedure's commit nobody else has one. When an
// exception passes, (sub)transaction abort pops it.
class ResultSnapshot {
 public:
  explicit ResultSnapshot(Snapshot snapshot) : exceptions_on_entry_(std::uncaught_exceptions()) {
    CallPg([&] {
      pushed_ = snapshot == Snapshot::kLatest || !ActiveSnapshotSet();
      if (!pushed_) return;
      CommandCounterIncrement();  // so that it shows what this transaction did as well
      PushActiveSnapshot(GetLatestSnapshot());
    });
  }
  ~ResultSnapshot() {
    if (pushed_ && std::uncaught_exceptions() <= exceptions_on_entry_) PopActiveSnapshot();
  }
  ResultSnapshot(const ResultSnapshot &) = delete;
  ResultSnapshot &operator=(const ResultSnapshot &) = delete;

 private:
  int exceptions_on_entry_;
  bool pushed_ = false;
};

void Execute(SPIPlanPtr plan, const Params &params, Snapshot snapshot) {
  Arguments arguments(params);
  int code = CallPg([&] {
    return SPI_execute_plan(plan, arguments.values.data(), arguments.nulls.c_str(),
                            snapshot != Snapshot::kFresh, 0);
  });
  if (code < 0) throw PgException(MakeError(ERRCODE_INTERNAL_ERROR, SPI_result_code_string(code)));
}

Row TakeRow(SPITupleTable *table, uint64 number, char **cells) {
  const int columns = table->tupdesc->natts;
  CallPg([&] {
    for (int n = 0; n < columns; ++n)
      cells[n] = SPI_getvalue(table->vals[number], table->tupdesc, n + 1);
  });
  std::vector<Cell> row(columns);
  for (int n = 0; n < columns; ++n) {
    if (cells[n] == nullptr) continue;
    row[n].emplace(cells[n]);
    pfree(cells[n]);
  }
  return Row(std::move(row));
}

Rows TakeRows() {
  Rows rows;
  SPITupleTable *table = SPI_tuptable;
  const uint64 count = SPI_processed;
  if (table == nullptr) return rows;
  std::vector<char *> cells(table->tupdesc->natts);
  for (uint64 n = 0; n < count; ++n)
    rows.Add(TakeRow(table, n, cells.data()));
  CallPg([&] { SPI_freetuptable(table); });
  return rows;
}

Oid ExtensionOwner() {
  // Its invalidation may be still under way: a commit sends it after it has called those who wait.
  InvalidateCatalogSnapshot();
  Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
              CStringGetDatum("agent_branch"));
  SysScanDesc scan = systable_beginscan(extensions, ExtensionNameIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  Oid owner = InvalidOid;
  if (HeapTupleIsValid(tuple))
    owner = reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extowner;
  systable_endscan(scan);
  table_close(extensions, AccessShareLock);
  if (!OidIsValid(owner))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("extension \"agent_branch\" does not exist in this database")));
  return owner;
}

}  // namespace

int64_t Row::Int(size_t column) const {
  const Cell &cell = cells_.at(column);
  return cell ? std::strtoll(cell->c_str(), nullptr, 10) : 0;
}

double Row::Float(size_t column) const {
  const Cell &cell = cells_.at(column);
  return cell ? std::strtod(cell->c_str(), nullptr) : 0;
}

Rows RunQuery(const char *sql, const Params &params, Snapshot snapshot) {
  std::vector<Oid> types;
  for (const Param &param : params)
    types.push_back(param.type());
  const ResultSnapshot kept(snapshot);
  Execute(PlanOf(sql, types), params, snapshot);
  return TakeRows();
}

Rows RunQueryOnce(const std::string &sql, const Params &params, Snapshot snapshot) {
  std::vector<Oid> types;
  for (const Param &param : params)
    types.push_back(param.type());
  SPIPlanPtr plan = Prepare(sql.c_str(), types);
  const ResultSnapshot kept(snapshot);
  Execute(plan, params, snapshot);
  Rows rows = TakeRows();
  CallPg([&] { SPI_freeplan(plan); });
  return rows;
}

int64_t RunStatement(const char *sql, const Params &params) {
  std::vector<Oid> types;
  for (const Param &param : params)
    types.push_back(param.type());
  Execute(PlanOf(sql, types), params, Snapshot::kFresh);
  const auto count = static_cast<int64_t>(SPI_processed);
  if (SPI_tuptable != nullptr) CallPg([&] { SPI_freetuptable(SPI_tuptable); });
  return count;
}

SpiSession::SpiSession(Mode mode) : exceptions_on_entry_(std::uncaught_exceptions()) {
  CallPg([&] { SPI_connect_ext(mode == Mode::kNonatomic ? SPI_OPT_NONATOMIC : 0); });
}

SpiSession::~SpiSession() {
  if (std::uncaught_exceptions() > exceptions_on_entry_) return;
  PgError error;
  guard::TryPg([](void *) { SPI_finish(); }, nullptr, &error);
}

void SpiSession::Commit() {
  CallPg([] { SPI_commit(); });
}

Transaction::Transaction() : caller_(CurrentMemoryContext) {
  open_ = true;
  try {
    CallPg([] {
      SetCurrentStatementStartTimestamp();
      StartTransactionCommand();
      SPI_connect();
      PushActiveSnapshot(GetTransactionSnapshot());
    });
  } catch (...) {
    Abort();
    throw;
  }
}

Transaction::~Transaction() {
  if (open_) Abort();
}

void Transaction::Commit() {
  CallPg([] {
    SPI_finish();
    PopActiveSnapshot();
    CommitTransactionCommand();
  });
  open_ = false;
  MemoryContextSwitchTo(caller_);
  CallPg([] { pgstat_report_stat(false); });
}

void Transaction::Abort() noexcept {
  open_ = false;
  PgError error;
  if (!guard::TryPg([](void *) { AbortCurrentTransaction(); }, nullptr, &error)) {
    LogError(LOG, "could not roll back", error);
    proc_exit(1);
  }
  MemoryContextSwitchTo(caller_);
}

Subtransaction::Subtransaction() : caller_(CurrentMemoryContext), owner_(CurrentResourceOwner) {
  CallPg([] { BeginInternalSubTransaction(nullptr); });
  MemoryContextSwitchTo(caller_);
}

void Subtransaction::Release() {
  CallPg([] { ReleaseCurrentSubTransaction(); });
  open_ = false;
  Restore();
}

Subtransaction::~Subtransaction() {
  if (!open_) return;
  PgError error;
  if (!guard::TryPg([](void *) { RollbackAndReleaseCurrentSubTransaction(); }, nullptr, &error)) {
    LogError(LOG, "could not roll back", error);
    proc_exit(1);
  }
  Restore();
}

void Subtransaction::Restore() noexcept {
  MemoryContextSwitchTo(caller_);
  CurrentResourceOwner = owner_;
}

AsOwner::AsOwner() : exceptions_on_entry_(std::uncaught_exceptions()) {
  CallPg([this] {
    Oid owner = ExtensionOwner();
    GetUserIdAndSecContext(&user_, &security_context_);
    SetUserIdAndSecContext(
        owner, security_context_ | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    guc_level_ = NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                      GUC_ACTION_SAVE, true, 0, false);
  });
}

AsOwner::~AsOwner() {
  if (std::uncaught_exceptions() > exceptions_on_entry_) return;
  PgError error;
  guard::TryPg([](void *level) { AtEOXact_GUC(false, *static_cast<int *>(level)); }, &guc_level_,
               &error);
  SetUserIdAndSecContext(user_, security_context_);
}

AsRole::AsRole(Oid role) : exceptions_on_entry_(std::uncaught_exceptions()) {
  // Fails when the role is gone.
  CallPg([role] { return GetUserNameFromId(role, false) != nullptr; });
  GetUserIdAndSecContext(&user_, &security_context_);
  SetUserIdAndSecContext(
      role, security_context_ | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

AsRole::~AsRole() {
  if (std::uncaught_exceptions() > exceptions_on_entry_) return;
  SetUserIdAndSecContext(user_, security_context_);
}

StatementTimeout::StatementTimeout(int milliseconds) {
  CallPg([milliseconds] { enable_timeout_after(STATEMENT_TIMEOUT, milliseconds); });
}

StatementTimeout::~StatementTimeout() {
  disable_timeout(STATEMENT_TIMEOUT, false);
  // It may have gone off in the last moment.
  QueryCancelPending = false;
}

}  // namespace agent_branch
