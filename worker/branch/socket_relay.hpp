// Stands between libpq and the socket of a server, and lets bytes in a piece at a time.
//
// Once a long message has been announced, one PQconsumeInput() reads for as long as the socket has
// more of it: up to a gigabyte, when the sender keeps up. So the server's socket moves to a
// descriptor of the relay's, and libpq's descriptor becomes one end of a pair of local sockets. TLS
// stays with libpq: what passes here is what is on the wire. It costs two descriptors, and some
// microseconds a message.
//
// Owns the server's socket and one end of the pair; libpq closes the other. Nothing here blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace agent_branch {

class SocketRelay {
 public:
  // What Receive() lets in at most.
  static constexpr size_t kPiece = 64 << 10;  // bytes

  // `socket`: libpq's, connected, in no epoll set. Null: there are no descriptors, and the socket
  // is as it was.
  static std::unique_ptr<SocketRelay> Insert(int socket);
  // Sends on what libpq said last, as far as the server's socket takes it.
  ~SocketRelay();
  SocketRelay(const SocketRelay &) = delete;
  SocketRelay &operator=(const SocketRelay &) = delete;

  int descriptor() const { return server_; }  // what to wait for
  // Lets the next piece in, once libpq has read the one before.
  void Receive();
  // Sends on what libpq has written. False: the server's socket takes no more now.
  bool Send();

  uint64_t received() const { return received_; }  // bytes in all
  size_t held() const { return inwards_.size(); }  // of them, those that libpq cannot read yet
  // What ended the connection, in the system's words; empty: nothing, or the server's own end.
  const std::string &failure() const { return failure_; }

 private:
  SocketRelay(int server, int libpq) : server_(server), libpq_(libpq) {}
  void Hand(std::string_view bytes);
  void End(std::string failure);

  int server_;
  int libpq_;
  uint64_t received_ = 0;
  bool ended_ = false;   // nothing more comes from the server
  bool closed_ = false;  // nothing more can be sent to it
  std::string inwards_;  // received, for which the pair has no room
  std::string outwards_;
  std::string failure_;
};

}  // namespace agent_branch
