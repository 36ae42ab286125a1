// Says in PostgreSQL's words why an exchange brought no answer, and whether anything can have
// happened at the server.
#pragma once

#include <cstddef>
#include <string>

#include "worker/core/neon/http_message.hpp"
#include "worker/http/curl_handle.hpp"

namespace agent_branch {

enum class HttpLimit { kNone, kBody, kHeaders };

struct FailureFacts {
  CURLcode code = CURLE_OK;
  // The request may have left: libcurl came as far as to write it. See Exchange.
  bool sent = false;
  // libcurl wanted to send the request once more, and was not let.
  bool repeat_refused = false;
  HttpLimit limit = HttpLimit::kNone;
  size_t limit_bytes = 0;
  std::string host;       // for the message
  std::string where;      // host, port and path, for the detail
  std::string curl_text;  // libcurl's error buffer, may be empty
};

HttpResponse DescribeFailure(const FailureFacts &facts);
// For what was refused, or ran out of time, before libcurl was asked.
HttpResponse NotSent(Status error);

}  // namespace agent_branch
