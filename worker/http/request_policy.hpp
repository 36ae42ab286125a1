// What may be sent, and to whom: checked before libcurl sees any of it.
//
// A request that fails here was provably not sent. Nothing here connects or looks a name up.
#pragma once

#include <sys/socket.h>

#include <string>

#include "worker/core/base/status.hpp"
#include "worker/core/neon/http_message.hpp"
#include "worker/http/curl_handle.hpp"

namespace agent_branch {

struct CheckedUrl {
  std::string url;     // as libcurl's own parser wrote it back
  std::string where;   // host, port and path, printable: for messages
  std::string host;    // without the brackets of an IPv6 address
  bool plain = false;  // http: the peer must be a loopback address
};

// Only https, and http to loopback hosts; no user name or password in it.
Result<CheckedUrl> CheckUrl(const std::string &url);

// Refuses other methods than GET, POST, PUT, PATCH and DELETE, header names that are no token,
// values with CR, LF or NUL, and the headers that frame a message, which are libcurl's to write.
Status CheckRequest(const HttpRequest &request);

// 127.0.0.0/8 and ::1.
bool IsLoopback(const sockaddr *address);

// Printable ASCII, cut to a length that suits a message: texts from outside may hold anything.
std::string Printable(std::string_view text);

}  // namespace agent_branch
