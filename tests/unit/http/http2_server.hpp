// An HTTP/2 server over TLS that answers every stream with 200, until it is told to fall silent.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/http/scripted_server.hpp"

namespace agent_branch {

class Http2Server {
 public:
  Http2Server();
  ~Http2Server();
  Http2Server(const Http2Server &) = delete;
  Http2Server &operator=(const Http2Server &) = delete;

  bool running() const { return context_ != nullptr; }
  std::string Url() const { return "https://localhost:" + std::to_string(port_) + "/"; }
  std::string certificate() const { return certificate_.file(); }
  int connections() const { return connections_; }
  // The connections that are there now are not answered on any more, though they stay open, as
  // behind a relay that died; new ones are.
  void SilenceConnections() { silent_ = connections_.load(); }

 private:
  void Accept();
  void Serve(int socket, int number);
  bool AnswerFrame(SSL *ssl, int number);

  TestCertificate certificate_;
  SSL_CTX *context_ = nullptr;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::atomic<int> silent_{0};
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace agent_branch
