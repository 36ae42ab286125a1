// What ApiCalls knows of one call. Private to ApiCalls.
#pragma once

#include <string>

#include "worker/core/neon/api_calls.hpp"

namespace agent_branch {

struct ApiCalls::Call {
  enum class State { kWaiting, kIntending, kSent };

  uint64_t id = 0;
  ApiCall call;
  State state = State::kWaiting;
  std::optional<StepRow> step;
  std::string key_file;  // of the key it waits for; the project may get another one
  std::string request_id;
  Instant not_before{0};
  Instant waits_since{0};
  milliseconds waited{0};  // for its last turn
  Instant sent_at{0};
  int attempts = 0;
  bool troubled = false;

  bool is_change() const { return call.request.is_change(); }
  int64_t project_id() const { return call.project->row.id; }
};

// Of a call that was not sent in time: nothing happened.
ResponseClass TooLate();

}  // namespace agent_branch
