// Runs an HttpClient the way its owner's event loop does, until a condition holds.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "worker/http/client.hpp"

namespace agent_branch {

class ClientDriver {
 public:
  explicit ClientDriver(HttpClientOptions options = {}) {
    Result<std::unique_ptr<HttpClient>> client = HttpClient::Create(std::move(options));
    EXPECT_TRUE(client.ok()) << client.status().message() << client.status().detail();
    if (client.ok()) client_ = std::move(client.value());
  }

  HttpClient &client() { return *client_; }

  // False after 30 seconds.
  bool RunUntil(const std::function<bool()> &holds) {
    const TimePoint end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds()) {
      const TimePoint now = std::chrono::steady_clock::now();
      if (now > end) return false;
      // The condition may depend on the server alone, so it is looked at now and then; the client
      // is advanced only when it asked for it.
      TimePoint wake = std::min(end, now + std::chrono::milliseconds(20));
      const auto deadline = client_->NextDeadline();
      if (deadline) wake = std::min(wake, std::max(*deadline, now));
      const auto wait = std::chrono::ceil<std::chrono::milliseconds>(wake - now);
      pollfd readable{client_->descriptor(), POLLIN, 0};
      const bool ready = poll(&readable, 1, static_cast<int>(wait.count())) == 1;
      if (ready || (deadline && *deadline <= std::chrono::steady_clock::now())) Turn();
    }
    return true;
  }

  void Turn() {
    client_->Advance();
    for (HttpCompletion &one : client_->TakeCompletions()) {
      EXPECT_EQ(completed.count(one.id), 0u) << "reported twice";
      completed[one.id] = std::move(one.response);
    }
    for (Resolution &one : client_->TakeResolutions())
      resolved[one.id] = std::move(one);
  }

  // Sends and waits for the completion.
  HttpResponse Run(HttpRequest request) {
    const uint64_t id = next_id_++;
    client_->Send(id, std::move(request));
    EXPECT_TRUE(RunUntil([&] { return completed.count(id) != 0; }));
    return completed[id];
  }

  bool Quiet() {
    pollfd readable{client_->descriptor(), POLLIN, 0};
    return !client_->NextDeadline() && poll(&readable, 1, 0) == 0;
  }

  std::map<uint64_t, HttpResponse> completed;
  std::map<uint64_t, Resolution> resolved;

 private:
  std::unique_ptr<HttpClient> client_;
  uint64_t next_id_ = 1'000'000;
};

inline HttpRequest Request(std::string method, std::string url, std::string body = {}) {
  HttpRequest request;
  request.method = std::move(method);
  request.url = std::move(url);
  request.body = std::move(body);
  return request;
}

}  // namespace agent_branch
