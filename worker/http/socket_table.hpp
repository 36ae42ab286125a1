// The sockets that libcurl has open for a client.
//
// libcurl closes a connection whenever it likes, and its number may be given out again at once, to
// anybody in the process. So the sockets are opened and closed here, and one is only touched while
// it is in the table. The table must outlive the connections of its multi handle.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <string>
#include <unordered_set>

namespace agent_branch {

// As libcurl names one when a request is about to be written (CURLOPT_PREREQFUNCTION(3)).
struct SocketName {
  std::string local;
  int local_port = 0;
  std::string remote;
  int remote_port = 0;
};

class SocketTable {
 public:
  // With keepalive; the kernel gives up a peer that does not acknowledge within a minute.
  // CURL_SOCKET_BAD: the system refused it.
  curl_socket_t Open(const curl_sockaddr &address);
  static int OnClose(void *table, curl_socket_t socket) noexcept;
  // Shuts the socket of that name down if nothing has come in for `time`. libcurl then sees its
  // end, as if the peer had hung up.
  void HangUpIfSilent(const SocketName &name, std::chrono::milliseconds time) const;

 private:
  std::unordered_set<curl_socket_t> open_;
};

}  // namespace agent_branch
