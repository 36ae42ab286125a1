// Stand-ins for what the core is given, as small as the tests of single files need them; a whole
// small world is in engine_driver.hpp.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/base/clock.hpp"
#include "worker/core/neon/http_message.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

class FakeClock : public Clock {
 public:
  // 2026-06-01T00:00:00Z, by `date -u -d 2026-06-01 +%s`.
  static constexpr int64_t kStart = 1'780'272'000;

  Instant Now() const override { return now_; }
  int64_t UnixTime() const override { return kStart + (now_.count() - kFirst) / 1'000; }
  void Advance(milliseconds by) { now_ += by; }
  void AdvanceTo(Instant when) { now_ = std::max(now_, when); }

 private:
  static constexpr int64_t kFirst = 1'000'000;
  Instant now_{kFirst};
};

// The numbers given, one after the other, and then `otherwise` for ever.
class FakeRandom : public Random {
 public:
  explicit FakeRandom(double always = 0.5) : otherwise(always) {}
  double Next() override {
    if (numbers.empty()) return otherwise;
    double next = numbers.front();
    numbers.pop_front();
    return next;
  }
  std::deque<double> numbers;
  double otherwise;
};

class FakeKeys : public KeyRing {
 public:
  Result<Secret> Key(const std::string &file) override {
    ++reads[file];
    auto found = failing.find(file);
    if (found != failing.end()) return found->second;
    return Secret("key of " + (file.empty() ? "the setting" : file));
  }
  std::map<std::string, Status> failing;
  std::map<std::string, int> reads;
};

// Notes what is sent; the test says what comes back.
class FakeTransport : public HttpTransport {
 public:
  struct Sent {
    uint64_t id;
    HttpRequest request;
  };
  void Send(uint64_t id, HttpRequest request) override { sent.push_back({id, std::move(request)}); }
  void Cancel(uint64_t id) override { cancelled.push_back(id); }

  static HttpCompletion Answer(uint64_t id, int status, std::string body = "{}") {
    HttpCompletion completion;
    completion.id = id;
    completion.response.outcome = HttpOutcome::kAnswered;
    completion.response.status = status;
    completion.response.body = std::move(body);
    return completion;
  }
  static HttpCompletion Fail(uint64_t id, HttpOutcome outcome) {
    HttpCompletion completion;
    completion.id = id;
    completion.response.outcome = outcome;
    completion.response.error = Status::Error("08006", "the exchange failed");
    return completion;
  }

  std::vector<Sent> sent;
  std::vector<uint64_t> cancelled;
};

}  // namespace agent_branch
