#include "tests/unit/http/http2_server.hpp"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <csignal>

namespace agent_branch {

namespace {

// RFC 9113, 4.1: length, type, flags, stream.
constexpr size_t kFrameHeader = 9;
enum : unsigned char { kHeaders = 1, kSettings = 4 };
constexpr unsigned char kAcknowledged = 1;
constexpr unsigned char kWholeAnswer = 5;  // END_STREAM, END_HEADERS
constexpr char kStatus200 = '\x88';        // RFC 7541, A: an index into the static table

int ChooseHttp2(SSL *, const unsigned char **out, unsigned char *length, const unsigned char *,
                unsigned, void *) {
  *out = reinterpret_cast<const unsigned char *>("h2");
  *length = 2;
  return SSL_TLSEXT_ERR_OK;
}

bool ReadAll(SSL *ssl, std::string &bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const int count = SSL_read(ssl, bytes.data() + at, static_cast<int>(bytes.size() - at));
    if (count <= 0) return false;
    at += static_cast<size_t>(count);
  }
  return true;
}

bool WriteFrame(SSL *ssl, unsigned char type, unsigned char flags, const std::string &stream,
                const std::string &payload) {
  std::string frame = {0, 0, static_cast<char>(payload.size()), static_cast<char>(type),
                       static_cast<char>(flags)};
  frame += stream + payload;
  return SSL_write(ssl, frame.data(), static_cast<int>(frame.size())) > 0;
}

}  // namespace

Http2Server::Http2Server() {
  // OpenSSL writes to a connection whose other end is gone; a server process ignores this, too.
  std::signal(SIGPIPE, SIG_IGN);
  if (!certificate_.made()) return;
  context_ = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate_file(context_, certificate_.file().c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_use_PrivateKey_file(context_, certificate_.key().c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_alpn_select_cb(context_, &ChooseHttp2, nullptr);
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr *>(&address), size) != 0 ||
      listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &size) != 0)
    abort();
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

Http2Server::~Http2Server() {
  if (!running()) return;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (int socket : sockets_)
    shutdown(socket, SHUT_RDWR);
  for (std::thread &thread : threads_)
    thread.join();
  for (int socket : sockets_)
    close(socket);
  close(listener_);
  SSL_CTX_free(context_);
}

void Http2Server::Accept() {
  while (true) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const int number = connections_++;
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket, number] { Serve(socket, number); });
  }
}

void Http2Server::Serve(int socket, int number) {
  SSL *ssl = SSL_new(context_);
  SSL_set_fd(ssl, socket);
  std::string preface(24, 0);
  if (SSL_accept(ssl) == 1 && WriteFrame(ssl, kSettings, 0, std::string(4, 0), "") &&
      ReadAll(ssl, preface)) {
    while (AnswerFrame(ssl, number)) {
    }
  }
  SSL_free(ssl);
  shutdown(socket, SHUT_RDWR);
}

bool Http2Server::AnswerFrame(SSL *ssl, int number) {
  std::string head(kFrameHeader, 0);
  if (!ReadAll(ssl, head)) return false;
  size_t length = 0;
  for (char byte : head.substr(0, 3))
    length = length << 8 | static_cast<unsigned char>(byte);
  std::string payload(length, 0);
  if (!ReadAll(ssl, payload)) return false;
  if (number < silent_) return true;
  if (head[3] == kSettings && head[4] != kAcknowledged)
    return WriteFrame(ssl, kSettings, kAcknowledged, std::string(4, 0), "");
  if (head[3] != kHeaders) return true;
  return WriteFrame(ssl, kHeaders, kWholeAnswer, head.substr(5), std::string(1, kStatus200));
}

}  // namespace agent_branch
