#include "postgres/guard.hpp"

namespace agent_branch {
namespace {

// pg_mbcliplen() follows the database's encoding; before one is connected it is SQL_ASCII, and then
// a cut character does no harm.
template <size_t N>
void Fill(char (&target)[N], const char *text, size_t length) {
  int kept = static_cast<int>(length);
  if (length >= N) kept = pg_mbcliplen(text, static_cast<int>(length), N - 1);
  memcpy(target, text, kept);
  target[kept] = '\0';
}

template <size_t N>
void Fill(char (&target)[N], const char *text) {
  if (text == nullptr) text = "";
  Fill(target, text, strlen(text));
}

// CopyErrorData() allocates, and so may raise out of memory itself.
void TakePendingError(PgError *error) {
  PG_TRY();
  {
    ErrorData *data = CopyErrorData();
    FlushErrorState();
    error->sqlerrcode = data->sqlerrcode;
    error->position = data->cursorpos;
    Fill(error->message, data->message);
    Fill(error->detail, data->detail);
    Fill(error->hint, data->hint);
    FreeErrorData(data);
  }
  PG_CATCH();
  {
    FlushErrorState();
    *error = MakeError(ERRCODE_OUT_OF_MEMORY, "out of memory");
  }
  PG_END_TRY();
}

bool IsInterrupt(int sqlerrcode) {
  return sqlerrcode == ERRCODE_QUERY_CANCELED || sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
         sqlerrcode == ERRCODE_CRASH_SHUTDOWN || sqlerrcode == ERRCODE_CANNOT_CONNECT_NOW;
}

}  // namespace

PgError MakeError(int sqlerrcode, std::string_view message, std::string_view detail,
                  std::string_view hint) {
  PgError error;
  error.sqlerrcode = sqlerrcode;
  error.position = 0;
  Fill(error.message, message.data(), message.size());
  Fill(error.detail, detail.data(), detail.size());
  Fill(error.hint, hint.data(), hint.size());
  return error;
}

PgError MakeError(const Status &status) {
  const std::string &state = status.sqlstate();
  int sqlerrcode = ERRCODE_INTERNAL_ERROR;
  if (state.size() == 5)
    sqlerrcode = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
  return MakeError(sqlerrcode, status.message(), status.detail(), status.hint());
}

Status StatusOf(const PgError &error) {
  return Status::Error(unpack_sql_state(error.sqlerrcode), error.message, error.detail, error.hint);
}

void RaiseStatus(const Status &status) {
  throw PgException(MakeError(status));
}

void Raise(const char *sqlstate, std::string message, std::string detail, std::string hint) {
  RaiseStatus(Status::Error(sqlstate, std::move(message), std::move(detail), std::move(hint)));
}

void LogError(int level, const char *what, const PgError &error) noexcept {
  auto report = [&] {
    ereport(level,
            (errcode(error.sqlerrcode),
             what == nullptr ? errmsg("%s", error.message) : errmsg("%s: %s", what, error.message),
             error.detail[0] == '\0' ? 0 : errdetail("%s", error.detail),
             error.hint[0] == '\0' ? 0 : errhint("%s", error.hint)));
  };
  PgError ignored;
  guard::TryPg([](void *arg) { (*static_cast<decltype(report) *>(arg))(); }, &report, &ignored);
}

void LogMessage(int level, const std::string &message) noexcept {
  auto report = [&] { ereport(level, (errmsg("%s", message.c_str()))); };
  PgError ignored;
  guard::TryPg([](void *arg) { (*static_cast<decltype(report) *>(arg))(); }, &report, &ignored);
}

namespace guard {

bool TryPg(void (*fn)(void *), void *arg, PgError *error) noexcept {
  MemoryContext caller = CurrentMemoryContext;
  volatile bool done = true;
  PG_TRY();
  {
    // An exception must not pass PG_TRY: PG_exception_stack would point into a dead frame.
    try {
      fn(arg);
    } catch (...) {
      *error = CurrentException();
      done = false;
    }
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(caller);
    TakePendingError(error);
    done = false;
  }
  PG_END_TRY();
  return done;
}

void Throw(const PgError &error) {
  if (IsInterrupt(error.sqlerrcode)) throw PgInterrupt(error);
  throw PgException(error);
}

void Report(const PgError &error) {
  ereport(ERROR, (errcode(error.sqlerrcode), errmsg("%s", error.message),
                  error.detail[0] == '\0' ? 0 : errdetail("%s", error.detail),
                  error.hint[0] == '\0' ? 0 : errhint("%s", error.hint)));
  pg_unreachable();
}

PgError CurrentException() noexcept {
  try {
    throw;
  } catch (const PgException &e) {
    return e.error();
  } catch (const PgInterrupt &e) {
    return e.error();
  } catch (const std::bad_alloc &) {
    return MakeError(ERRCODE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception &e) {
    return MakeError(ERRCODE_INTERNAL_ERROR, e.what());
  } catch (...) {
    return MakeError(ERRCODE_INTERNAL_ERROR, "unknown C++ exception");
  }
}

}  // namespace guard

}  // namespace agent_branch
