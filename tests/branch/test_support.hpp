// What the tests of branch/ share: a database of one's own, a loop, and a server that misbehaves.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "worker/branch/runner.hpp"

namespace agent_branch::testing {

using namespace std::chrono_literals;

// The parts of AGENT_BRANCH_TEST_URI, with another user, password or database put in.
std::string ServerUri(const std::string &database, const std::string &user = "postgres",
                      const std::string &password = "open%20sesame", int port = 0);
int ServerPort();

// A synchronous connection, for what a test looks at and prepares. Fails the test on an error.
class Client {
 public:
  explicit Client(const std::string &uri);
  // The first column of the first row, "" when there is none or it is null.
  std::string Query(const std::string &sql);
  // Empty when the statements succeeded, else the error.
  std::string Try(const std::string &sql);

 private:
  struct Closer {
    void operator()(PGconn *connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Closer> connection_;
};

// A database that exists for as long as the object does.
class TestDatabase {
 public:
  TestDatabase();
  ~TestDatabase();
  const std::string &name() const { return name_; }
  std::string uri() const { return ServerUri(name_); }

 private:
  std::string name_;
};

// What the calling thread has computed so far: a machine that is shared does not change it. That
// nothing waits inside of a turn is seen by the deadlines.
std::chrono::nanoseconds ThreadTime();
// Some times what the worst turn takes on a machine of one's own, 30 ms.
inline constexpr std::chrono::milliseconds kLongestTurn{1'000};

// Turns the loop until `until` holds; false when `limit` has passed first.
bool RunUntil(LibpqBranchRunner *runner, const std::function<bool()> &until,
              std::chrono::milliseconds limit = 20s);

// The next event of any task; fails the test when none comes.
BranchEvent NextEvent(LibpqBranchRunner *runner, std::chrono::milliseconds limit = 20s);

BranchTask Migration(uint64_t id, const std::string &uri, const std::string &sql);
BranchTask FingerprintTask(uint64_t id, const std::string &uri);

// A listener on the loopback; each connection is given to `serve` in a thread of its own and
// closed after it.
class FakeServer {
 public:
  explicit FakeServer(std::function<void(int socket)> serve);
  ~FakeServer();
  int port() const { return port_; }
  std::string uri() const;
  int accepted() const { return accepted_; }
  bool stopping() const { return stopping_; }

 private:
  void Accept();

  std::function<void(int)> serve_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> accepted_{0};
  std::atomic<bool> stopping_{false};
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A connected socket to the test's server.
int ConnectToServer();

// The definitions, inline so that each test stays one source file.

inline std::string BaseUri() {
  const char *uri = std::getenv("AGENT_BRANCH_TEST_URI");
  return uri ? uri : "";
}

inline sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

inline void DropNotice(void *, const PGresult *) {}

inline int ServerPort() {
  const std::string uri = BaseUri();
  const size_t at = uri.rfind(':');
  return at == std::string::npos ? 0 : std::atoi(uri.c_str() + at + 1);
}

inline std::string ServerUri(const std::string &database, const std::string &user,
                             const std::string &password, int port) {
  return "postgresql://" + user + ":" + password +
         "@127.0.0.1:" + std::to_string(port ? port : ServerPort()) + "/" + database;
}

inline Client::Client(const std::string &uri) : connection_(PQconnectdb(uri.c_str())) {
  EXPECT_EQ(PQstatus(connection_.get()), CONNECTION_OK) << PQerrorMessage(connection_.get());
  PQsetNoticeReceiver(connection_.get(), &DropNotice, nullptr);
}

inline std::string Client::Query(const std::string &sql) {
  PGresult *result = PQexec(connection_.get(), sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
      << sql << "\n"
      << PQresultErrorMessage(result);
  std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
  PQclear(result);
  return value;
}

inline std::string Client::Try(const std::string &sql) {
  PGresult *result = PQexec(connection_.get(), sql.c_str());
  std::string error = PQresultErrorMessage(result);
  PQclear(result);
  return error;
}

inline TestDatabase::TestDatabase() {
  static int count = 0;
  name_ = "test_" + std::to_string(getpid()) + "_" + std::to_string(++count);
  Client(ServerUri("postgres")).Query("CREATE DATABASE " + name_ + " TEMPLATE template0");
}

inline TestDatabase::~TestDatabase() {
  Client(ServerUri("postgres")).Query("DROP DATABASE " + name_ + " WITH (FORCE)");
}

inline std::chrono::nanoseconds ThreadTime() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

inline bool RunUntil(LibpqBranchRunner *runner, const std::function<bool()> &until,
                     std::chrono::milliseconds limit) {
  const auto give_up = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto before = ThreadTime();
    runner->Advance();
    EXPECT_LT(ThreadTime() - before, kLongestTurn) << "the loop was held up";
    if (until()) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now >= give_up) return false;
    auto wake = std::min(give_up, now + 100ms);
    if (const auto deadline = runner->NextDeadline()) wake = std::min(wake, *deadline);
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(wake - now).count();
    pollfd ready = {runner->descriptor(), POLLIN, 0};
    poll(&ready, 1, wake <= now ? 0 : static_cast<int>(wait) + 1);
  }
}

inline BranchEvent NextEvent(LibpqBranchRunner *runner, std::chrono::milliseconds limit) {
  std::vector<BranchEvent> events;
  const auto arrived = [&] {
    events = runner->TakeEvents();
    return !events.empty();
  };
  if (!RunUntil(runner, arrived, limit)) {
    ADD_FAILURE() << "no event came";
    return {};
  }
  EXPECT_EQ(events.size(), 1u);
  return events.front();
}

inline BranchTask Migration(uint64_t id, const std::string &uri, const std::string &sql) {
  BranchTask task;
  task.id = id;
  task.kind = BranchTaskKind::kMigrate;
  task.connection_key = "branch";
  task.uri = Secret(uri);
  task.sql = sql;
  return task;
}

inline BranchTask FingerprintTask(uint64_t id, const std::string &uri) {
  BranchTask task;
  task.id = id;
  task.kind = BranchTaskKind::kFingerprint;
  task.connection_key = "branch";
  task.uri = Secret(uri);
  return task;
}

inline FakeServer::FakeServer(std::function<void(int)> serve) : serve_(std::move(serve)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr *>(&address), length), 0);
  EXPECT_EQ(listen(listener_, 16), 0);
  EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &length), 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

inline void FakeServer::Accept() {
  for (;;) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    ++accepted_;
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket] {
      serve_(socket);
      shutdown(socket, SHUT_RDWR);
    });
  }
}

inline FakeServer::~FakeServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (int socket : sockets_)
    shutdown(socket, SHUT_RDWR);
  for (std::thread &thread : threads_)
    thread.join();
  for (int socket : sockets_)
    close(socket);
  close(listener_);
}

inline std::string FakeServer::uri() const {
  return "postgresql://someone:hidden-word@127.0.0.1:" + std::to_string(port_) +
         "/db?sslmode=disable";
}

inline int ConnectToServer() {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(ServerPort());
  EXPECT_EQ(connect(server, reinterpret_cast<sockaddr *>(&address), sizeof(address)), 0);
  return server;
}

}  // namespace agent_branch::testing
