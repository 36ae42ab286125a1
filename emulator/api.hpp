// What happens to a request of the API from arrival to answer: key, rate, faults, route, log.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "emulator/call.hpp"
#include "emulator/faults.hpp"
#include "emulator/rate_limit.hpp"
#include "emulator/request_log.hpp"
#include "emulator/service.hpp"

namespace agent_branch::emulator {

// How an answer leaves.
struct Delivery {
  enum class Mode { kWhole, kHalf, kNothing };  // kHalf, kNothing: the connection is closed
  Response response;
  Mode mode = Mode::kWhole;
};

using Deliver = std::function<void(Delivery)>;

class Api {
 public:
  static constexpr char kPrefix[] = "/api/v2";

  Api(Service &service, std::vector<ApiKey> keys);

  // `call.path` includes the prefix.
  void Handle(Call call, Deliver deliver);

  std::vector<ApiKey> &keys() { return keys_; }
  Faults &faults() { return faults_; }
  RequestLog &log() { return log_; }

 private:
  // One request under way.
  struct Exchange {
    Call call;
    Deliver deliver;
    FaultEffects effects;
    Microseconds at = 0;
    std::chrono::steady_clock::time_point begun;
  };
  using ExchangePtr = std::shared_ptr<Exchange>;

  void Admit(const ExchangePtr &exchange);
  void Perform(const ExchangePtr &exchange);
  void NoteEffect(const Exchange &exchange, const Response &response);
  void Return(const ExchangePtr &exchange, Response response);
  void Finish(const ExchangePtr &exchange, Response response);
  const ApiKey &RequireKey(const Call &call) const;
  void RequireRate(const ApiKey &key, const Call &call, const std::string &route);

  Service &service_;
  std::vector<ApiKey> keys_;
  Faults faults_;
  RequestLog log_;
  RateLimit rate_;
};

}  // namespace agent_branch::emulator
