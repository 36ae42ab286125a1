#include "worker/http/socket_table.hpp"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace agent_branch {

namespace {

using Query = int (*)(int, sockaddr *, socklen_t *);

bool Is(curl_socket_t socket, Query query, const std::string &address, int port) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (query(socket, reinterpret_cast<sockaddr *>(&storage), &size) != 0) return false;
  char text[INET6_ADDRSTRLEN] = "";
  const auto *v4 = reinterpret_cast<const sockaddr_in *>(&storage);
  const auto *v6 = reinterpret_cast<const sockaddr_in6 *>(&storage);
  const bool is_v6 = storage.ss_family == AF_INET6;
  const void *bytes = is_v6 ? static_cast<const void *>(&v6->sin6_addr) : &v4->sin_addr;
  if (inet_ntop(storage.ss_family, bytes, text, sizeof(text)) == nullptr) return false;
  return address == text && port == ntohs(is_v6 ? v6->sin6_port : v4->sin_port);
}

void Set(int socket, int level, int option, int value) {
  setsockopt(socket, level, option, &value, sizeof(value));
}

}  // namespace

curl_socket_t SocketTable::Open(const curl_sockaddr &address) {
  const int opened = socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
  if (opened < 0) return CURL_SOCKET_BAD;
  Set(opened, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(opened, IPPROTO_TCP, TCP_KEEPIDLE, 20);
  Set(opened, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  Set(opened, IPPROTO_TCP, TCP_KEEPCNT, 3);
  Set(opened, IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
  open_.insert(opened);
  return opened;
}

int SocketTable::OnClose(void *table, curl_socket_t socket) noexcept {
  static_cast<SocketTable *>(table)->open_.erase(socket);
  return close(socket);
}

void SocketTable::HangUpIfSilent(const SocketName &name, std::chrono::milliseconds time) const {
  for (const curl_socket_t socket : open_) {
    if (!Is(socket, getsockname, name.local, name.local_port)) continue;
    if (!Is(socket, getpeername, name.remote, name.remote_port)) continue;
    tcp_info info{};
    socklen_t size = sizeof(info);
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
    // The kernel counts in ticks, of ten milliseconds at most.
    constexpr std::chrono::milliseconds kTick{20};
    const std::chrono::milliseconds silent(info.tcpi_last_data_recv);
    if (silent + kTick >= time) shutdown(socket, SHUT_RDWR);
    return;
  }
}

}  // namespace agent_branch
