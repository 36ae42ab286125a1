// One libpq connection, driven only by calls that neither block nor compute for long: what there
// is to compute while it is made happens in the threads of a Handshake.
//
// It owns the PGconn and its place in an epoll set, which belongs to the runner. The owner calls
// Advance() when the socket is ready, or when has_buffered_input() says that there is work left;
// each call does a bounded amount of it. A server may send anything at any length: a SocketRelay
// lets it in a piece a turn, rows are read one by one and dropped, and one that sends too much
// without ever completing a message is hung up on.
#pragma once

#include <libpq-fe.h>
#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "worker/branch/connection_target.hpp"
#include "worker/branch/handshake.hpp"
#include "worker/branch/server_error.hpp"
#include "worker/branch/socket_relay.hpp"

namespace agent_branch {

// What a server said to one query text, which may hold many statements.
struct Reply {
  bool failed = false;
  int errors = 0;
  ServerMessage error;                // the first one, when failed
  std::vector<std::string> last_row;  // of the last statement that returned any; NULL is ""
  std::vector<bool> last_row_nulls;
  std::vector<std::string> pages;  // first column of every row, for who asked for all of them
  std::string last_tag;            // such as "COMMIT"
  int completed = 0;               // statements that came to their end
  int64_t rows = 0;                // that they inserted, updated, deleted, merged or copied
  bool committed = false;          // a statement among them was COMMIT or PREPARE TRANSACTION
  bool copied = false;             // a statement among them was COPY from or to the client
  bool copy_refused = false;
};

// Why a connection is broken. sqlstate is empty when it was no server that said so.
struct ConnectionFailure {
  std::string sqlstate;
  std::string text;
  std::string hint = {};
};

class Connection {
 public:
  static constexpr size_t kLongestAnswer = 256 << 20;
  enum class State { kConnecting, kReady, kBusy, kBroken };

  // epoll: borrowed; the socket is put there with `tag` as its data. No query of this connection
  // returns more than `longest_message` bytes in one row, message or notice. ca_file: see
  // ParametersFor().
  Connection(int epoll, uint64_t tag, const ConnectionTarget &target, const std::string &address,
             const std::string &ca_file, size_t longest_message);
  ~Connection();
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;

  void Advance();
  // Only when kReady. `query` must hold no zero byte. keep_pages: fill in the reply's pages, of
  // which there may be kLongestAnswer bytes in all.
  void Send(const std::string &query, bool keep_pages = false);
  // Takes the socket out of the epoll set; the connection stays open and is not read any more.
  void StopReading();

  State state() const { return state_; }
  // Work is left although the socket may stay silent.
  bool has_buffered_input() const { return has_buffered_input_; }
  // To the last Send(): complete when kReady again, partial when kBroken.
  const Reply &reply() const { return reply_; }
  // Whether anything came back since the last Send().
  bool heard() const { return heard_; }
  const ConnectionFailure &failure() const { return failure_; }
  // Since ForgetNotices().
  const NoticeList &notices() const { return notices_; }
  void ForgetNotices() { notices_ = {}; }
  // How many were sent.
  int queries() const { return queries_; }
  bool InTransaction() const;
  int server_version() const { return PQserverVersion(connection_.get()); }
  bool CountsBytes() const;
  // Whether a backslash in a plain string constant is only a character.
  bool ReadsStandardStrings() const;
  // Stands at the head of every query of this connection, and of no other's: pg_stat_activity finds
  // it by that. The process id would not do, since Neon's proxy hands out one of its own.
  const std::string &mark() const { return mark_; }
  // What the server keeps of a role's password and checks a login by. Computes for some
  // milliseconds. Fails when the server wants it to be reckoned for longer.
  Result<std::string> PasswordVerifier(const std::string &role, const Secret &password) const;

 private:
  static void OnNotice(void *self, const PGresult *notice);
  void Connect();
  void BeginStep();
  void EndStep(const HandshakeResult &result);
  bool InsertRelay();
  void Open();
  PGconn *pg() const { return handshake_ ? handshake_->connection() : connection_.get(); }
  void Converse();
  bool Read();
  size_t Unread() const;
  void TakeResults();
  bool TakeResult();
  void Absorb(const PGresult *result);
  void AbsorbError(const PGresult *result);
  void AbsorbRow(const PGresult *result);
  bool SkipCopy(ExecStatusType status);
  void Flush();
  void Progress() { progressed_ = true; }
  uint64_t ReceivedBytes() const;
  bool SentTooMuch();
  void Watch(bool for_write);
  void Unwatch(int descriptor);
  void Break(std::string text);
  int Socket() const;  // the server's
  std::string LibpqText() const;

  int epoll_;
  uint64_t tag_;
  Secret password_;  // kept to redact it
  size_t longest_message_;
  std::string mark_;
  std::unique_ptr<SocketRelay> relay_;    // once the server has let us in; outlives the PGconn
  PgConnection connection_;               // once it is open
  std::shared_ptr<Handshake> handshake_;  // until then
  bool step_under_way_ = false;           // of the handshake: the PGconn is the thread's
  State state_ = State::kConnecting;
  bool has_buffered_input_ = false;
  bool reading_stopped_ = false;
  bool heard_ = false;
  short connect_events_ = POLLOUT;
  bool progressed_ = false;  // a message came to its end since the last look
  uint32_t watched_ = 0;     // what epoll waits for, once connected
  uint64_t received_at_progress_ = 0;
  Reply reply_;
  bool keep_pages_ = false;
  size_t page_bytes_ = 0;
  int queries_ = 0;
  NoticeList notices_;
  ServerMessage last_words_;  // a FATAL that came as a notice
  ConnectionFailure failure_;
};

}  // namespace agent_branch
