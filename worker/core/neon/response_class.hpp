// What an API exchange means: done, refused, to be sent again, or unknown.
//
// The rules are those of the API's own error document (GeneralError in
// public-v2-for-users.gen.yaml): 423 and 503 mean that nothing happened and are always safe to
// repeat, and so is 429; any other failure of a change may or may not have had its effect, and is
// reconciled before anything is sent again.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "worker/core/neon/http_message.hpp"
#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {

enum class ResponseKind {
  kDone,         // 2xx; of a change: with an answer that says what was done
  kNotFound,     // 404: gone, or out of the key's scope; who cares confirms with the project
  kExists,       // 409
  kPlan,         // 412: the plan does not allow a setting of the request
  kLimit,        // 422 with a *_LIMIT_EXCEEDED code: a matter of capacity, not of the request
  kRefused,      // any other 4xx: final
  kBusy,         // 423, or 422 "branch not ready yet": nothing happened, the project is busy
  kThrottled,    // 429: nothing happened, the account is over its rate
  kUnavailable,  // 503: nothing happened
  kKey,          // 401: the key is not accepted
  kForbidden,    // 403: the key may not do this here
  kUnreachable,  // nothing was sent
  kUnknown,      // sent, and no usable answer
};

struct ResponseClass {
  ResponseKind kind = ResponseKind::kUnknown;
  // Why, in words for agent_sessions.error; ok() when kDone.
  Status why;
  std::optional<std::chrono::seconds> retry_after;
};

ResponseClass Judge(const NeonRequest &request, const HttpResponse &response);

}  // namespace agent_branch
