// What a server sends on a connection: read a piece a turn, and taken into the reply.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "worker/branch/connection.hpp"

namespace agent_branch {
namespace {

// Results taken in one turn: some milliseconds' worth, so that one branch that floods us does not
// hold up the others.
constexpr int kResultsATurn = 2000;
// A query is answered with one ERROR, and perhaps a FATAL; libpq keeps the text of each.
constexpr int kMostErrors = 10;
// Columns of a row that are kept. RecordBaseline()'s row with what is measured beforehand has the
// most of our queries; a migration's own rows are of no interest.
constexpr int kMostColumns = 6;
constexpr size_t kLongestWhileConnecting = 1 << 20;

struct ResultDeleter {
  void operator()(PGresult *result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

// SELECT and its kin only read, but for SELECT INTO and CREATE TABLE AS, which return no rows.
bool CountsRows(const PGresult *result, const std::string &tag) {
  const std::string_view word = std::string_view(tag).substr(0, tag.find(' '));
  if (word == "SELECT") return PQresultStatus(result) == PGRES_COMMAND_OK;
  return word == "INSERT" || word == "UPDATE" || word == "DELETE" || word == "MERGE" ||
         word == "COPY";
}

}  // namespace

void Connection::Converse() {
  relay_->Receive();
  bool alive = true;
  do {
    alive = Read();
    TakeResults();
  } while (alive && !has_buffered_input_ && state_ != State::kBroken && Unread() > 0);
  if (state_ == State::kBroken) return;
  if (!alive && !has_buffered_input_)
    return Break(relay_->failure().empty() ? LibpqText() : relay_->failure());
  if (alive && SentTooMuch()) return Break("the server sent a message that is too long");
  if (alive) Flush();
}

// Each time libpq makes room for 8 kB at least, and reads some of the relay's piece. False: the
// connection is at its end, though what came before may still wait to be taken.
bool Connection::Read() {
  const bool alive = PQconsumeInput(connection_.get()) == 1;
  return alive && PQstatus(connection_.get()) == CONNECTION_OK;
}

// What came in and libpq has not read: in its socket, or decrypted by OpenSSL beyond what there was
// room for.
size_t Connection::Unread() const {
  int waiting = 0;
  if (ioctl(PQsocket(pg()), FIONREAD, &waiting) != 0) return 0;
  const void *ssl = PQsslStruct(pg(), "OpenSSL");
  const int decrypted = ssl ? SSL_pending(static_cast<const SSL *>(ssl)) : 0;
  return static_cast<size_t>(waiting) + static_cast<size_t>(decrypted);
}

void Connection::TakeResults() {
  for (int taken = 0; taken < kResultsATurn; ++taken) {
    if (!TakeResult()) return;
  }
  has_buffered_input_ = true;
}

// False: there is nothing more to take now.
bool Connection::TakeResult() {
  PGconn *connection = connection_.get();
  const bool waits = PQisBusy(connection) == 1;
  while (PGnotify *notification = PQnotifies(connection)) {
    PQfreemem(notification);
    Progress();
  }
  if (waits || state_ != State::kBusy) return false;
  const ResultPtr result(PQgetResult(connection));
  if (!result) {
    if (PQstatus(connection) == CONNECTION_OK) state_ = State::kReady;
    return false;
  }
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
    heard_ = true;
    return SkipCopy(status);
  }
  Progress();
  Absorb(result.get());
  return state_ == State::kBusy;
}

void Connection::Absorb(const PGresult *result) {
  switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
      heard_ = true;
      return AbsorbRow(result);
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      heard_ = true;
      reply_.last_tag = CutText(PQcmdStatus(const_cast<PGresult *>(result)));
      ++reply_.completed;
      if (CountsRows(result, reply_.last_tag))
        reply_.rows += std::strtoll(PQcmdTuples(const_cast<PGresult *>(result)), nullptr, 10);
      if (reply_.last_tag == "COMMIT" || reply_.last_tag == "PREPARE TRANSACTION")
        reply_.committed = true;
      return;
    case PGRES_EMPTY_QUERY:
      return;
    default:
      return AbsorbError(result);
  }
}

void Connection::AbsorbError(const PGresult *result) {
  // libpq's own words about a lost connection come as a result, too.
  if (PQstatus(connection_.get()) != CONNECTION_OK &&
      !PQresultErrorField(result, PG_DIAG_SQLSTATE)) {
    return;
  }
  ServerMessage message = ReadServerMessage(result, password_.Reveal());
  // A session that ended before it answered anything has not done anything either: what comes
  // back from one query text comes in order.
  if (!message.ends_session) heard_ = true;
  if (!reply_.failed || message.ends_session) reply_.error = std::move(message);
  reply_.failed = true;
  if (++reply_.errors > kMostErrors) Break("the server sent one error after another");
}

void Connection::AbsorbRow(const PGresult *result) {
  reply_.last_row.clear();
  reply_.last_row_nulls.clear();
  size_t bytes = 0;
  for (int column = 0; column < PQnfields(result); ++column)
    bytes += static_cast<size_t>(PQgetlength(result, 0, column));
  // It may have come whole with the relay's last piece, before anybody counted.
  if (bytes > longest_message_) return Break("the server sent a message that is too long");
  const int columns = std::min(PQnfields(result), kMostColumns);
  for (int column = 0; column < columns; ++column) {
    reply_.last_row.emplace_back(PQgetvalue(result, 0, column),
                                 static_cast<size_t>(PQgetlength(result, 0, column)));
    reply_.last_row_nulls.push_back(PQgetisnull(result, 0, column) == 1);
  }
  if (!keep_pages_ || reply_.last_row.empty()) return;
  page_bytes_ += reply_.last_row[0].size();
  if (page_bytes_ > kLongestAnswer) return Break("the server sent an answer that is too long");
  reply_.pages.push_back(reply_.last_row[0]);
}

// Ends COPY FROM STDIN with an error, and drops what COPY TO STDOUT sends. False: wait for input.
bool Connection::SkipCopy(ExecStatusType status) {
  PGconn *connection = connection_.get();
  reply_.copied = true;
  if (status == PGRES_COPY_IN) {
    // A refused COPY ends the query. To answer a server that asks again and again would be worse
    // than useless: libpq reads more than we take each time it cannot send.
    const bool again = std::exchange(reply_.copy_refused, true);
    if (again || PQputCopyEnd(connection, "there is no data to copy from") != 1) {
      Break("the server asked for data again");
    }
    return state_ == State::kBusy;
  }
  if (status == PGRES_COPY_BOTH) {
    Break("the server began to replicate, which nobody asked for");
    return false;
  }
  char *row = nullptr;
  const int length = PQgetCopyData(connection, &row, 1);
  PQfreemem(row);
  if (length > 0) Progress();
  return length != 0;
}

// By the kernel's count, TLS or not.
uint64_t Connection::ReceivedBytes() const {
  if (relay_) return relay_->received();
  tcp_info info = {};
  socklen_t length = sizeof(info);
  if (getsockopt(Socket(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return 0;
  return info.tcpi_bytes_received;
}

// libpq keeps an incomplete message in memory, up to a gigabyte, and every server parameter that it
// is told of.
bool Connection::SentTooMuch() {
  const uint64_t received = ReceivedBytes();
  if (std::exchange(progressed_, false)) {
    received_at_progress_ = received - std::min<uint64_t>(received, Unread() + relay_->held());
    return false;
  }
  if (received < received_at_progress_) received_at_progress_ = 0;  // libpq opened a new socket
  const size_t allowed = state_ == State::kConnecting ? kLongestWhileConnecting : longest_message_;
  return received - received_at_progress_ > allowed;
}

}  // namespace agent_branch
