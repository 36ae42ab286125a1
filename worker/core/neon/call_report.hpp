// What is told of each exchange with the API, for whoever counts or logs them. It holds no secret:
// neither the address, which may name a session, nor a header or a body.
#pragma once

#include <string_view>

#include "worker/core/base/clock.hpp"
#include "worker/core/neon/response_class.hpp"

namespace agent_branch {

struct CallReport {
  std::string_view route;       // as NeonRequest::route
  std::string_view request_id;  // Neon's own, else ours
  int64_t session_id = 0;       // 0: on a project's own behalf
  int64_t project_id = 0;
  int http_status = 0;  // 0: no answer
  ResponseKind kind = ResponseKind::kUnknown;
  bool is_change = false;
  bool is_retry = false;   // the same call was sent before
  milliseconds waited{0};  // for its turn: budget, key, project, connection
  milliseconds took{0};    // from sending to its end
};

class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // Called for each exchange when it ends; the texts are the caller's.
  virtual void OnCall(const CallReport &report) = 0;
};

}  // namespace agent_branch
