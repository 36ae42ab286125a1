// An HTTP exchange as values: what the core asks for and what it is told.
//
// The core builds requests and reads responses; http/ carries them. Neither side logs them: header
// values are secrets, and a body may hold connection URIs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/base/secret.hpp"
#include "worker/core/base/status.hpp"

namespace agent_branch {

struct HttpRequest {
  std::string method;  // GET, POST, PATCH or DELETE
  std::string url;     // absolute; http only for loopback addresses
  std::vector<std::pair<std::string, Secret>> headers;
  std::string body;  // sent as it is; empty: no body
  // Goes out as X-Request-ID, by which the service's support finds the call; empty: none.
  std::string request_id;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds timeout{60'000};  // for the whole exchange, the name look-up included
  size_t max_response_bytes = 8 * 1024 * 1024;
};

// How far an exchange came. What may be repeated follows from this and from the status code.
enum class HttpOutcome {
  kAnswered,  // a whole response arrived: status and body are set
  kNotSent,  // failed before one byte of the request left (look-up, connect, TLS): nothing happened
  kUnknown,  // the request was or may have been sent, and no whole response came back
};

struct HttpResponse {
  HttpOutcome outcome = HttpOutcome::kUnknown;
  int status = 0;  // the HTTP status code when answered, else 0
  std::string body;
  std::optional<std::chrono::seconds> retry_after;  // from Retry-After: seconds or an HTTP date
  // The service's own name for the call, from x-neon-ret-request-id or else x-request-id; cut to
  // what is printable. Empty when it said none.
  std::string request_id;
  Status error;  // says why, unless answered
};

struct HttpCompletion {
  uint64_t id = 0;  // as given to Send()
  HttpResponse response;
};

// What the core sees of http/. Send() and Cancel() return at once; completions come back through
// whoever runs the loop. An exchange that was cancelled reports nothing.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  // id: the caller's, unique among the exchanges under way.
  virtual void Send(uint64_t id, HttpRequest request) = 0;
  virtual void Cancel(uint64_t id) = 0;
};

}  // namespace agent_branch
