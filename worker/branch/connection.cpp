#include "worker/branch/connection.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace agent_branch {
namespace {

// Query text that is sent in one turn, in pieces as large as a pair of sockets holds.
constexpr int kMostRounds = 8;
constexpr char kRefusedAuthentication[] = "28000";

// Not a secret: it need only differ from every other connection's.
std::string NewMark() {
  unsigned char bytes[12] = {};
  if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) < 0) bytes[0] = 0;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string mark = "/* agent_branch ";
  for (unsigned char byte : bytes)
    mark.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return mark + " */ ";
}

PgConnection StartConnecting(const ConnectionParameters &parameters) {
  std::vector<const char *> keywords;
  std::vector<const char *> values;
  for (const auto &[keyword, value] : parameters) {
    keywords.push_back(keyword);
    values.push_back(value.Reveal().data());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  return PgConnection(PQconnectStartParams(keywords.data(), values.data(), 0));
}

void DropNotice(void *, const PGresult *) {}

// A failed attempt has no PGresult, only a text; verbose, it has "FATAL:  28P01: …" in it.
std::string SqlStateInText(std::string_view text) {
  for (size_t at = text.find(":  "); at != std::string_view::npos; at = text.find(":  ", at + 1)) {
    const std::string_view code = text.substr(at + 3, 5);
    const bool plain = std::all_of(code.begin(), code.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
    });
    if (code.size() == 5 && plain && text.substr(at + 8, 2) == ": ") return std::string(code);
  }
  return {};
}

// Drops the lines that say where in the server's source an error was raised.
std::string WithoutLocation(std::string text) {
  for (size_t at; (at = text.find("\nLOCATION:  ")) != std::string::npos;)
    text.erase(at, text.find('\n', at + 1) - at);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

}  // namespace

Connection::Connection(int epoll, uint64_t tag, const ConnectionTarget &target,
                       const std::string &address, const std::string &ca_file,
                       size_t longest_message)
    : epoll_(epoll),
      tag_(tag),
      password_(target.password),
      longest_message_(longest_message),
      mark_(NewMark()),
      handshake_(
          std::make_shared<Handshake>(StartConnecting(ParametersFor(target, address, ca_file)))) {
  if (PQstatus(pg()) == CONNECTION_BAD || handshake_->descriptor() < 0) {
    Break(handshake_->descriptor() < 0 ? "there are no descriptors" : LibpqText());
    return;
  }
  PQsetErrorVerbosity(pg(), PQERRORS_VERBOSE);
  PQsetNoticeReceiver(pg(), &DropNotice, nullptr);  // it would be called in a thread
  Watch(true);
}

Connection::~Connection() {
  StopReading();
}

// A FATAL that comes while no query runs, such as 57P01 when a compute is suspended, is a notice
// for libpq.
void Connection::OnNotice(void *self, const PGresult *notice) {
  auto *connection = static_cast<Connection *>(self);
  ServerMessage message = ReadServerMessage(notice, connection->password_.Reveal());
  if (message.ends_session) {
    connection->last_words_ = std::move(message);
  } else {
    connection->notices_.Add(std::move(message), connection->queries_,
                             connection->reply_.completed);
  }
  connection->Progress();
}

void Connection::Advance() {
  has_buffered_input_ = false;
  if (state_ == State::kBroken) return;
  if (state_ == State::kConnecting) return Connect();
  Converse();
}

void Connection::Connect() {
  if (!step_under_way_) return BeginStep();
  const std::optional<HandshakeResult> result = handshake_->TakeResult();
  if (!result) return;
  step_under_way_ = false;
  Unwatch(handshake_->descriptor());
  EndStep(*result);
}

// PQconnectPoll may only be called when the socket is ready for what it asked for.
void Connection::BeginStep() {
  if (relay_) relay_->Receive();
  pollfd ready = {PQsocket(pg()), connect_events_, 0};
  if (poll(&ready, 1, 0) != 1 && !(relay_ && Unread() > 0)) return;
  Unwatch(Socket());
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = tag_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, handshake_->descriptor(), &event);
  step_under_way_ = Handshake::Begin(handshake_);
  if (!step_under_way_) Break("there are no threads");
}

void Connection::EndStep(const HandshakeResult &result) {
  if (!result.refused.empty()) {
    Break(result.refused);
    failure_.sqlstate = kRefusedAuthentication;
    failure_.hint = "Set the role's password anew, with scram_iterations of " +
                    std::to_string(kMostScramIterations) + " at most.";
    return;
  }
  if (result.polled == PGRES_POLLING_FAILED) return Break(LibpqText());
  if (result.polled == PGRES_POLLING_OK) return Open();
  if (PQstatus(pg()) == CONNECTION_AUTH_OK && !InsertRelay()) return;
  if (SentTooMuch()) return Break("the server sent too much before it was ready");
  connect_events_ = result.polled == PGRES_POLLING_WRITING ? POLLOUT : POLLIN;
  has_buffered_input_ = relay_ && Unread() > 0;
  Watch(result.polled == PGRES_POLLING_WRITING);
}

// libpq keeps its socket from then on when the server has let us in.
bool Connection::InsertRelay() {
  if (relay_) return true;
  relay_ = SocketRelay::Insert(PQsocket(pg()));
  if (!relay_) Break("there are no descriptors");
  received_at_progress_ = 0;
  return relay_ != nullptr;
}

void Connection::Open() {
  if (!InsertRelay()) return;
  connection_ = handshake_->TakeConnection();
  handshake_.reset();
  if (PQsetnonblocking(pg(), 1) != 0) return Break(LibpqText());
  PQsetErrorVerbosity(pg(), PQERRORS_DEFAULT);
  PQsetNoticeReceiver(pg(), &Connection::OnNotice, this);
  Progress();
  Watch(false);  // as a socket that is new to the set
  state_ = State::kReady;
}

void Connection::Send(const std::string &query, bool keep_pages) {
  keep_pages_ = keep_pages;
  page_bytes_ = 0;
  ++queries_;
  reply_ = {};
  heard_ = false;
  Progress();
  PGconn *connection = connection_.get();
  state_ = State::kBusy;
  if (PQsendQuery(connection, (mark_ + query).c_str()) != 1) return Break(LibpqText());
  PQsetSingleRowMode(connection);
  Flush();
}

void Connection::Flush() {
  int left = PQflush(connection_.get());
  bool takes_more = relay_->Send();
  for (int rounds = 0; left > 0 && takes_more && rounds < kMostRounds; ++rounds) {
    left = PQflush(connection_.get());
    takes_more = relay_->Send();
  }
  // A failed write is not the end: the server's last words may wait to be read. libpq reports
  // the failure there, so make sure that somebody reads.
  if (left < 0 || (left > 0 && takes_more) || relay_->held() > 0) has_buffered_input_ = true;
  Watch(!takes_more);
}

// libpq may have closed its socket and opened another, perhaps under the same number; epoll has
// then forgotten the old one by itself.
void Connection::Watch(bool for_write) {
  if (reading_stopped_) return;
  epoll_event event = {};
  event.events = EPOLLIN;
  if (for_write) event.events |= EPOLLOUT;
  event.data.u64 = tag_;
  const int socket = Socket();
  const bool changed = state_ == State::kConnecting || event.events != watched_;
  if (socket < 0 || !changed) return;
  watched_ = state_ == State::kConnecting ? 0 : event.events;
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event) == 0) return;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
}

void Connection::Unwatch(int descriptor) {
  if (descriptor >= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
}

void Connection::StopReading() {
  reading_stopped_ = true;
  if (step_under_way_) return Unwatch(handshake_->descriptor());  // its socket is not in the set
  if (pg()) Unwatch(Socket());
}

void Connection::Break(std::string text) {
  failure_.text = WithoutLocation(CutText(Redact(std::move(text), password_.Reveal())));
  failure_.sqlstate = state_ == State::kConnecting ? SqlStateInText(failure_.text) : std::string();
  const ServerMessage &said =
      reply_.failed && reply_.error.ends_session ? reply_.error : last_words_;
  if (said.ends_session) failure_ = {said.fields.sqlstate, said.fields.message};
  state_ = State::kBroken;
  has_buffered_input_ = false;
  StopReading();
}

int Connection::Socket() const {
  return relay_ ? relay_->descriptor() : PQsocket(pg());
}

std::string Connection::LibpqText() const {
  return PQerrorMessage(pg());
}

Result<std::string> Connection::PasswordVerifier(const std::string &role,
                                                 const Secret &password) const {
  constexpr int kMost = 20'000;  // a newer libpq takes the server's word for how many to reckon
  const char *iterations = PQparameterStatus(connection_.get(), "scram_iterations");
  if (iterations != nullptr && std::strtol(iterations, nullptr, 10) > kMost)
    return Status::Error(
        "0A000", "scram_iterations of the branch's server is above " + std::to_string(kMost));
  struct Free {
    void operator()(char *text) const { PQfreemem(text); }
  };
  const std::unique_ptr<char, Free> verifier(PQencryptPasswordConn(
      connection_.get(), password.Reveal().data(), role.c_str(), "scram-sha-256"));
  if (!verifier) return Status::Error("58000", "no verifier of a password could be made");
  return std::string(verifier.get());
}

bool Connection::InTransaction() const {
  return PQtransactionStatus(connection_.get()) == PQTRANS_INTRANS;
}

bool Connection::ReadsStandardStrings() const {
  const char *setting = PQparameterStatus(connection_.get(), "standard_conforming_strings");
  return setting == nullptr || std::string_view(setting) != "off";
}

bool Connection::CountsBytes() const {
  const char *encoding = PQparameterStatus(connection_.get(), "server_encoding");
  return encoding && std::string_view(encoding) == "SQL_ASCII";
}

}  // namespace agent_branch
