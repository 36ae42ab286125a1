// SQL from C++: in a backend through SpiSession, in a worker through Transaction.
//
// Results are copied into C++ values, so that nothing here outlives its owner. Statements passed as
// `const char *` are meant to be written in the source: their plans are kept for the life of the
// process (the plan cache re-analyses them when what they name was changed or dropped), so a text
// that is composed at run time must go through QueryOnce(). Errors are PgException and PgInterrupt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "postgres/guard.hpp"
#include "postgres/server.hpp"

namespace agent_branch {

// A statement's parameter. Strings are text (cast in the SQL: $1::jsonb, $1::text[]), integers are
// bigint. Bytes that are not valid in the database's encoding are replaced by '?', never an error:
// a server far away must not be able to make a transaction fail.
class Param {
 public:
  // NOLINTBEGIN(google-explicit-constructor)
  Param(std::nullopt_t) {}
  Param(const char *text) : text_(text) {}
  Param(std::string_view text) : text_(text) {}
  Param(std::string text) : text_(std::move(text)) {}
  Param(std::optional<std::string> text) : text_(std::move(text)) {}
  template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Param(T number) : type_(TypeOf<T>()), value_(ValueOf(number)) {}
  template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Param(std::optional<T> number) : type_(TypeOf<T>()) {
    if (number) value_ = ValueOf(*number);
  }
  // NOLINTEND(google-explicit-constructor)
  // A value that is passed as it is: by value, or pointing to what outlives the call.
  static Param Of(Oid type, std::optional<Datum> value) {
    Param param(std::nullopt);
    param.type_ = type;
    param.value_ = value;
    return param;
  }
  static Param Timestamp(TimestampTz at) { return Of(TIMESTAMPTZOID, TimestampTzGetDatum(at)); }

  Oid type() const { return type_; }
  bool is_null() const { return !text_ && !value_; }
  const std::optional<std::string> &text() const { return text_; }
  Datum value() const { return *value_; }

 private:
  template <class T>
  static constexpr Oid TypeOf() {
    if (std::is_same_v<T, bool>) return BOOLOID;
    return std::is_floating_point_v<T> ? FLOAT8OID : INT8OID;
  }
  template <class T>
  static Datum ValueOf(T number) {
    if constexpr (std::is_same_v<T, bool>) return BoolGetDatum(number);
    if constexpr (std::is_floating_point_v<T>) return Float8GetDatum(number);
    return Int64GetDatum(static_cast<int64>(number));
  }

  Oid type_ = TEXTOID;
  std::optional<std::string> text_;
  std::optional<Datum> value_;
};

using Params = std::vector<Param>;
using Cell = std::optional<std::string>;

// One row of a result, each cell in its type's text format (as DateStyle, IntervalStyle and so on
// of this process have it: casts and to_char() in the SQL decide when it matters).
class Row {
 public:
  explicit Row(std::vector<Cell> cells) : cells_(std::move(cells)) {}
  const Cell &operator[](size_t column) const { return cells_.at(column); }
  bool IsNull(size_t column) const { return !cells_.at(column); }
  // Null: empty, 0, false.
  std::string Text(size_t column) const { return cells_.at(column).value_or(std::string()); }
  int64_t Int(size_t column) const;
  double Float(size_t column) const;
  bool Bool(size_t column) const { return cells_.at(column) == "t"; }
  size_t size() const { return cells_.size(); }

 private:
  std::vector<Cell> cells_;
};

class Rows {
 public:
  void Add(Row row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  size_t size() const { return rows_.size(); }
  const Row &operator[](size_t row) const { return rows_.at(row); }
  auto begin() const { return rows_.begin(); }
  auto end() const { return rows_.end(); }

 private:
  std::vector<Row> rows_;
};

// What a statement sees.
enum class Snapshot {
  kFresh,   // a new snapshot by the rules of the isolation level, and what this transaction did
  kActive,  // the active snapshot; statements that write are refused
  kLatest,  // what is committed now, in REPEATABLE READ too; statements that write are refused
};

// Both need SPI to be connected, which SpiSession and Transaction see to.
Rows RunQuery(const char *sql, const Params &params, Snapshot snapshot);
Rows RunQueryOnce(const std::string &sql, const Params &params, Snapshot snapshot);
// Returns the number of rows that the statement processed.
int64_t RunStatement(const char *sql, const Params &params);

// SPI_connect() to SPI_finish(). When an exception passes, (sub)transaction abort finishes instead.
class SpiSession {
 public:
  enum class Mode { kAtomic, kNonatomic };
  explicit SpiSession(Mode mode = Mode::kAtomic);
  ~SpiSession();
  SpiSession(const SpiSession &) = delete;
  SpiSession &operator=(const SpiSession &) = delete;

  Rows Query(const char *sql, const Params &params = {}, Snapshot snapshot = Snapshot::kFresh) {
    return RunQuery(sql, params, snapshot);
  }
  int64_t Execute(const char *sql, const Params &params = {}) { return RunStatement(sql, params); }
  // Mode::kNonatomic only: commits, and begins the next transaction.
  void Commit();

 private:
  int exceptions_on_entry_;
};

// A transaction of a background worker, from nothing to Commit(); without that it is rolled back by
// the destructor. Whatever happens in it, afterwards the process can begin the next one.
class Transaction {
 public:
  Transaction();
  ~Transaction();
  Transaction(const Transaction &) = delete;
  Transaction &operator=(const Transaction &) = delete;

  Rows Query(const char *sql, const Params &params = {}, Snapshot snapshot = Snapshot::kFresh) {
    return RunQuery(sql, params, snapshot);
  }
  Rows QueryOnce(const std::string &sql, const Params &params = {},
                 Snapshot snapshot = Snapshot::kFresh) {
    return RunQueryOnce(sql, params, snapshot);
  }
  int64_t Execute(const char *sql, const Params &params = {}) { return RunStatement(sql, params); }
  void Commit();

 private:
  void Abort() noexcept;

  MemoryContext caller_;
  bool open_ = false;
};

// A subtransaction: rolled back by the destructor unless it was released before. What was raised in
// it is over then, and the transaction goes on.
class Subtransaction {
 public:
  Subtransaction();
  ~Subtransaction();
  Subtransaction(const Subtransaction &) = delete;
  Subtransaction &operator=(const Subtransaction &) = delete;
  void Release();

 private:
  void Restore() noexcept;

  MemoryContext caller_;
  ResourceOwner owner_;
  bool open_ = true;
};

// A subtransaction that is always rolled back: what it locked is released when it ends, so that a
// function that waits holds no lock on what it looked at. Uses no transaction id while it only
// reads.
class RolledBackSubtransaction : private Subtransaction {};

// Acts as the owner of the extension agent_branch, inside a security-restricted operation and with
// search_path = pg_catalog, pg_temp. When an exception passes, (sub)transaction abort restores
// both. Must not span a commit.
class AsOwner {
 public:
  AsOwner();
  ~AsOwner();
  AsOwner(const AsOwner &) = delete;
  AsOwner &operator=(const AsOwner &) = delete;

 private:
  int exceptions_on_entry_;
  int guc_level_ = 0;
  Oid user_ = InvalidOid;
  int security_context_ = 0;
};

// Acts as a role, inside a security-restricted operation: what is called then cannot get at the
// rights of the process. Inside a transaction that ends before anything else is done, when an
// exception passes.
class AsRole {
 public:
  explicit AsRole(Oid role);
  ~AsRole();
  AsRole(const AsRole &) = delete;
  AsRole &operator=(const AsRole &) = delete;

 private:
  int exceptions_on_entry_;
  Oid user_ = InvalidOid;
  int security_context_ = 0;
};

// Cancels what runs after so many milliseconds: a PgInterrupt. For background workers, which have
// no statement_timeout of their own.
class StatementTimeout {
 public:
  explicit StatementTimeout(int milliseconds);
  ~StatementTimeout();
  StatementTimeout(const StatementTimeout &) = delete;
  StatementTimeout &operator=(const StatementTimeout &) = delete;
};

}  // namespace agent_branch
