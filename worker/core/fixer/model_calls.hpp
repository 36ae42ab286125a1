// Calls of the model: few at a time, beside the calls of the Neon API and never behind them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>

#include "worker/core/fixer/protocol.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

class ModelCalls {
 public:
  struct Services {
    HttpTransport *http = nullptr;
    KeyRing *keys = nullptr;
    const Clock *clock = nullptr;
    const Settings *settings = nullptr;
  };
  using Done = std::function<void(const ModelAnswer &, milliseconds took)>;

  explicit ModelCalls(Services services) : services_(services) {}

  // Whether an exchange is one of these: they have numbers of their own.
  static bool Owns(uint64_t id) { return id >= kFirst; }

  uint64_t Enqueue(ModelQuestion question, Done done);
  // A call that was cancelled reports nothing.
  void Cancel(uint64_t id);
  void OnCompletion(const HttpCompletion &completion);
  // Sends what may be sent. A call that cannot be made for want of a key is told at once.
  void Dispatch();

 private:
  static constexpr uint64_t kFirst = uint64_t{1} << 62;

  struct Call {
    ModelQuestion question;
    Done done;
    ModelProtocol protocol = ModelProtocol::kOpenAi;
    Instant sent_at{0};
  };

  Services services_;
  std::deque<std::pair<uint64_t, Call>> waiting_;
  std::map<uint64_t, Call> under_way_;
  uint64_t next_id_ = kFirst;
};

}  // namespace agent_branch
