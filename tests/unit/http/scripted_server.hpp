// A server on a free loopback port that does to each request what a test's script says.
//
// Every connection has a thread; the script runs in it, once per request, and may write any bytes,
// pause, close or reset. What arrived is recorded. The destructor ends whatever still runs.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace agent_branch {

struct ReceivedRequest {
  std::string method;
  std::string path;
  std::string head;  // request line and header lines as they came
  std::string body;
  int connection = 0;  // 0, 1, ... in the order of arrival
  int number = 0;      // 0, 1, ... on its connection
};

class ScriptedServer {
 public:
  class Connection {
   public:
    Connection(ScriptedServer &server, int socket) : server_(server), socket_(socket) {}
    // False when the peer or the server has ended the connection.
    bool Write(std::string_view bytes);
    bool Pause(std::chrono::milliseconds time);
    void Close() { open_ = false; }
    void Reset();  // the peer sees ECONNRESET
    bool open() const { return open_; }

   private:
    ScriptedServer &server_;
    const int socket_;
    bool open_ = true;
  };
  using Script = std::function<void(Connection &, const ReceivedRequest &)>;
  using Greeting = std::function<void(Connection &)>;

  // greeting: runs when a connection was accepted, before anything is read.
  explicit ScriptedServer(Script script, Greeting greeting = {});
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer &) = delete;
  ScriptedServer &operator=(const ScriptedServer &) = delete;

  int port() const { return port_; }
  std::string Url(const std::string &path) const;
  std::vector<ReceivedRequest> requests() const;
  int connections() const;
  // Ends the connections that are open now; new ones are accepted as before.
  void CloseConnections();
  bool WaitForRequests(size_t count) const;

 private:
  void Accept();
  void Serve(int socket, int number);
  bool ReadRequest(int socket, std::string &buffer, ReceivedRequest &request);

  const Script script_;
  const Greeting greeting_;
  int port_ = 0;  // before the listener, which sets it
  int listener_ = -1;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool stopping_ = false;
  std::vector<ReceivedRequest> requests_;
  std::vector<int> sockets_;  // -1: closed
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A response with Content-Length; extra: further header lines, each with CRLF.
std::string Answer(int status, std::string_view body, std::string_view extra = {});

// A loopback port on which nothing listens.
int UnusedPort();

// `openssl s_server -www` with a fresh self-signed certificate for localhost and 127.0.0.1.
class TlsServer {
 public:
  // Listens on this address; its certificate is for localhost and 127.0.0.1.
  explicit TlsServer(std::string address = "127.0.0.1");
  ~TlsServer();
  TlsServer(const TlsServer &) = delete;
  TlsServer &operator=(const TlsServer &) = delete;

  // False when there is no openssl command.
  bool running() const { return port_ != 0; }
  int port() const { return port_; }
  std::string certificate() const { return directory_ + "/certificate.pem"; }

 private:
  void Start();

  std::string address_;
  std::string directory_;
  pid_t process_ = -1;
  int port_ = 0;
};

}  // namespace agent_branch
