// The two places where C++ and PostgreSQL meet: an ERROR jumps over destructors, and an exception
// that leaves C++ ends the cluster.
//
// CallPg() is for C++ that calls PostgreSQL: an ERROR below it becomes a PgException (or, when the
// query was cancelled or the server shuts down, a PgInterrupt). Enter<>() is for functions that
// PostgreSQL calls: every exception becomes an ERROR, raised after the last C++ object is gone.
// Between them an error is a PgError of plain bytes: no allocation of either world.
//
// Catching an exception does not undo the ERROR. Whoever catches one rolls the transaction or
// subtransaction back (Transaction in spi.hpp does) or lets it travel on to Enter<>(); until then
// nothing of PostgreSQL is called.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "worker/core/base/status.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

// Texts are cut at a character when they do not fit.
struct PgError {
  int sqlerrcode;
  int position;  // in the text that was parsed, in characters from 1; 0: none
  char message[1024];
  char detail[1024];
  char hint[1024];
};

class PgException {
 public:
  explicit PgException(const PgError &error) : error_(error) {}
  const PgError &error() const { return error_; }

 private:
  PgError error_;
};

// A cancelled query, or a server that shuts down. It has no base in common with the others, so that
// a handler of PgException or std::exception does not swallow it. Enter<>() and a worker's
// outermost loop know it.
class PgInterrupt {
 public:
  explicit PgInterrupt(const PgError &error) : error_(error) {}
  const PgError &error() const { return error_; }

 private:
  PgError error_;
};

PgError MakeError(int sqlerrcode, std::string_view message, std::string_view detail = {},
                  std::string_view hint = {});
PgError MakeError(const Status &status);
Status StatusOf(const PgError &error);

// Throws a PgException of the Status, which is not ok().
[[noreturn]] void RaiseStatus(const Status &status);
[[noreturn]] void Raise(const char *sqlstate, std::string message, std::string detail = {},
                        std::string hint = {});

// ereport(level) for a level below ERROR. `what` says what was being done and may be null.
void LogError(int level, const char *what, const PgError &error) noexcept;
void LogMessage(int level, const std::string &message) noexcept;

namespace guard {

// Runs fn(arg), which holds no object with a destructor at a point where PostgreSQL may raise.
// False: *error says what was raised or thrown.
bool TryPg(void (*fn)(void *), void *arg, PgError *error) noexcept;
[[noreturn]] void Throw(const PgError &error);
// ereport(ERROR); nothing of C++ is alive where it is called.
[[noreturn]] void Report(const PgError &error);
// To be called in a handler only.
PgError CurrentException() noexcept;

}  // namespace guard

// Calls `body`, which contains calls of PostgreSQL and plain locals only, and returns what it
// returns. No string may be built inside: an ERROR would skip its destructor.
template <class Body>
auto CallPg(Body &&body) -> std::invoke_result_t<Body &> {
  using Value = std::invoke_result_t<Body &>;
  PgError error;
  if constexpr (std::is_void_v<Value>) {
    auto run = [](void *arg) { (*static_cast<std::remove_reference_t<Body> *>(arg))(); };
    void *arg = const_cast<void *>(static_cast<const void *>(&body));
    if (!guard::TryPg(run, arg, &error)) guard::Throw(error);
  } else {
    static_assert(std::is_trivially_copyable_v<Value>, "CallPg returns plain values only");
    struct Call {
      std::remove_reference_t<Body> *body;
      Value value;
    } call{&body, Value{}};
    auto run = [](void *arg) {
      auto *c = static_cast<Call *>(arg);
      c->value = (*c->body)();
    };
    if (!guard::TryPg(run, &call, &error)) guard::Throw(error);
    return call.value;
  }
}

// The body of every function that PostgreSQL calls and that may throw.
template <Datum (*Fn)(FunctionCallInfo)>
Datum Enter(FunctionCallInfo fcinfo) {
  PgError error;
  try {
    return Fn(fcinfo);
  } catch (...) {
    error = guard::CurrentException();
  }
  guard::Report(error);
}

// The same for a background worker's main function: an exception ends the process with code 1,
// which is a restart and not a crash.
template <void (*Main)(Datum)>
void EnterMain(Datum argument) {
  PgError error;
  try {
    Main(argument);
    return;
  } catch (...) {
    error = guard::CurrentException();
  }
  guard::Report(error);
}

}  // namespace agent_branch

// Defines the C function `name` that SQL calls, as the C++ function `Fn`.
// NOLINTBEGIN(bugprone-macro-parentheses): a function's name and a template's argument take none.
#define AGENT_BRANCH_FUNCTION(name, Fn)        \
  extern "C" {                                 \
  PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);    \
  PG_FUNCTION_INFO_V1(name);                   \
  Datum name(PG_FUNCTION_ARGS) {               \
    return ::agent_branch::Enter<&Fn>(fcinfo); \
  }                                            \
  }
// NOLINTEND(bugprone-macro-parentheses)
