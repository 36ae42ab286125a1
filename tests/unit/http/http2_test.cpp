#include <gtest/gtest.h>

#include "tests/unit/http/client_driver.hpp"
#include "tests/unit/http/http2_server.hpp"

namespace agent_branch {
namespace {

using std::chrono::milliseconds;

class Http2 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!server_.running()) GTEST_SKIP() << "the openssl command is not installed";
    HttpClientOptions options;
    options.ca_file = server_.certificate();
    driver_ = std::make_unique<ClientDriver>(options);
  }
  HttpResponse Get(milliseconds timeout = milliseconds(20'000)) {
    HttpRequest request = Request("GET", server_.Url());
    request.timeout = timeout;
    return driver_->Run(std::move(request));
  }
  Http2Server server_;
  std::unique_ptr<ClientDriver> driver_;
};

TEST_F(Http2, ExchangesThatStartTogetherShareAConnection) {
  for (uint64_t id = 0; id < 8; ++id)
    driver_->client().Send(id, Request("GET", server_.Url()));
  ASSERT_TRUE(driver_->RunUntil([&] { return driver_->completed.size() == 8; }));
  for (const auto &[id, response] : driver_->completed)
    EXPECT_EQ(response.status, 200) << response.error.detail();
  EXPECT_EQ(server_.connections(), 1);
}

TEST_F(Http2, AConnectionThatDiedIsNotUsedAgainAfterATimeOut) {
  ASSERT_EQ(Get().status, 200);
  ASSERT_EQ(Get().status, 200);
  ASSERT_EQ(server_.connections(), 1);
  server_.SilenceConnections();
  EXPECT_EQ(Get(milliseconds(300)).outcome, HttpOutcome::kUnknown);
  EXPECT_EQ(Get().status, 200);
  EXPECT_EQ(server_.connections(), 2);
}

// The first of them that gives up takes the others with it: none is left to draw new ones there.
TEST_F(Http2, NobodyIsLeftOnAConnectionThatDied) {
  ASSERT_EQ(Get().status, 200);
  server_.SilenceConnections();
  for (uint64_t id = 0; id < 4; ++id) {
    HttpRequest request = Request("POST", server_.Url());
    request.timeout = milliseconds(id == 0 ? 300 : 20'000);
    driver_->client().Send(id, std::move(request));
  }
  const TimePoint begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(driver_->RunUntil([&] { return driver_->completed.size() == 5; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(10'000));
  for (uint64_t id = 0; id < 4; ++id)
    EXPECT_EQ(driver_->completed[id].outcome, HttpOutcome::kUnknown);
  EXPECT_EQ(Get().status, 200);
}

}  // namespace
}  // namespace agent_branch
