#include "worker/http/client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "tests/unit/http/client_driver.hpp"
#include "tests/unit/http/scripted_server.hpp"

namespace agent_branch {
namespace {

using std::chrono::milliseconds;
using Connection = ScriptedServer::Connection;

void SayOk(Connection &connection, const ReceivedRequest &) {
  connection.Write(Answer(200, "ok"));
}

TEST(HttpClient, AnswerHasStatusAndBody) {
  ScriptedServer server(SayOk);
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("GET", server.Url("/projects?limit=1")));
  EXPECT_EQ(response.outcome, HttpOutcome::kAnswered);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "ok");
  EXPECT_FALSE(response.retry_after);
  EXPECT_TRUE(response.error.ok());
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(server.requests()[0].path, "/projects?limit=1");
}

TEST(HttpClient, RequestArrivesAsGiven) {
  ScriptedServer server(SayOk);
  ClientDriver driver;
  HttpRequest request = Request("PATCH", server.Url("/x"), std::string("{\"a\":\0}", 7));
  request.headers.emplace_back("Authorization", Secret("Bearer key-1"));
  request.headers.emplace_back("Content-Type", Secret("application/json"));
  request.headers.emplace_back("X-Empty", Secret(""));
  EXPECT_EQ(driver.Run(std::move(request)).status, 200);
  const ReceivedRequest received = server.requests().at(0);
  EXPECT_EQ(received.method, "PATCH");
  EXPECT_EQ(received.body, std::string("{\"a\":\0}", 7));
  EXPECT_NE(received.head.find("\r\nAuthorization: Bearer key-1\r\n"), std::string::npos);
  EXPECT_NE(received.head.find("\r\nContent-Type: application/json\r\n"), std::string::npos);
  EXPECT_NE(received.head.find("\r\nX-Empty:\r\n"), std::string::npos);
  EXPECT_NE(received.head.find("\r\nUser-Agent: agent_branch\r\n"), std::string::npos);
  EXPECT_NE(received.head.find("\r\nContent-Length: 7\r\n"), std::string::npos);
}

TEST(HttpClient, BodylessMethodsSayWhatHttpWants) {
  ScriptedServer server(SayOk);
  ClientDriver driver;
  for (const char *method : {"GET", "DELETE", "POST", "PATCH"})
    EXPECT_EQ(driver.Run(Request(method, server.Url("/"))).status, 200);
  const std::vector<ReceivedRequest> received = server.requests();
  ASSERT_EQ(received.size(), 4u);
  for (size_t n = 0; n < 4; ++n) {
    const bool says_zero = received[n].head.find("Content-Length: 0\r\n") != std::string::npos;
    EXPECT_EQ(says_zero, n >= 2) << received[n].head;
    EXPECT_EQ(received[n].head.find("Content-Type"), std::string::npos);
  }
  EXPECT_EQ(received[1].method, "DELETE");
  EXPECT_EQ(received[3].method, "PATCH");
}

TEST(HttpClient, LargeBodyIsSentWithoutExpectingLeave) {
  ScriptedServer server(SayOk);
  ClientDriver driver;
  EXPECT_EQ(driver.Run(Request("POST", server.Url("/"), std::string(3'000'000, 'x'))).status, 200);
  EXPECT_EQ(server.requests().at(0).body.size(), 3'000'000u);
  EXPECT_EQ(server.requests()[0].head.find("Expect"), std::string::npos);
}

TEST(HttpClient, ConnectionIsReused) {
  ScriptedServer server(SayOk);
  ClientDriver driver;
  for (int n = 0; n < 5; ++n)
    EXPECT_EQ(driver.Run(Request(n % 2 == 0 ? "GET" : "POST", server.Url("/"))).status, 200);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, SlowExchangeEndsByItsLimitAndDisturbsNoOther) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &request) {
    if (request.path == "/fast") return SayOk(connection, request);
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    while (connection.Write("x") && connection.Pause(milliseconds(1000))) {
    }
  });
  ClientDriver driver;
  HttpRequest slow = Request("GET", server.Url("/slow"));
  slow.timeout = milliseconds(600);
  const TimePoint begin = std::chrono::steady_clock::now();
  driver.client().Send(1, std::move(slow));
  ASSERT_TRUE(driver.RunUntil([&] { return server.requests().size() == 1; }));
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/fast"))).status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(500));
  EXPECT_EQ(driver.completed.count(1), 0u);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.count(1) != 0; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(600));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(1500));
  EXPECT_EQ(driver.completed[1].outcome, HttpOutcome::kUnknown);
  EXPECT_EQ(driver.completed[1].status, 0);
  EXPECT_EQ(driver.completed[1].error.sqlstate(), "08006");
}

TEST(HttpClient, IdleClientHasNoDeadlineAndIsWokenByNothing) {
  ScriptedServer server(SayOk);
  ClientDriver driver;
  EXPECT_TRUE(driver.Quiet());
  for (int n = 0; n < 3; ++n)
    driver.client().Send(n, Request("GET", server.Url("/")));
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.size() == 3; }));
  EXPECT_EQ(driver.client().under_way(), 0u);
  EXPECT_TRUE(driver.Quiet());
  server.CloseConnections();
  // A new exchange ends only after the server has closed the old connections; then there would be
  // something to see.
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/"))).status, 200);
  EXPECT_GT(server.connections(), 1);
  EXPECT_TRUE(driver.Quiet());
}

TEST(HttpClient, AfterATimeoutThereIsNoDeadline) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Pause(std::chrono::seconds(20));
  });
  ClientDriver driver;
  HttpRequest request = Request("GET", server.Url("/"));
  request.timeout = milliseconds(50);
  EXPECT_EQ(driver.Run(std::move(request)).outcome, HttpOutcome::kUnknown);
  EXPECT_TRUE(driver.Quiet());
}

TEST(HttpClient, FiveHundredExchangesAtOnceAllComplete) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &request) {
    connection.Write(Answer(200, request.path));
  });
  ClientDriver driver;
  for (uint64_t id = 0; id < 500; ++id)
    driver.client().Send(id, Request("POST", server.Url("/" + std::to_string(id)), "{}"));
  EXPECT_EQ(driver.client().under_way(), 500u);
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.size() == 500; }));
  for (uint64_t id = 0; id < 500; ++id)
    EXPECT_EQ(driver.completed[id].body, "/" + std::to_string(id));
  EXPECT_EQ(server.requests().size(), 500u);
  EXPECT_LE(server.connections(), 64);
  EXPECT_TRUE(driver.Quiet());
}

TEST(HttpClient, ExchangesBeyondTheCapWaitInOrder) {
  ScriptedServer server(SayOk);
  HttpClientOptions options;
  options.max_exchanges = 1;
  ClientDriver driver(options);
  for (uint64_t id = 0; id < 10; ++id)
    driver.client().Send(id, Request("GET", server.Url("/" + std::to_string(id))));
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.size() == 10; }));
  const std::vector<ReceivedRequest> received = server.requests();
  ASSERT_EQ(received.size(), 10u);
  for (size_t n = 0; n < 10; ++n)
    EXPECT_EQ(received[n].path, "/" + std::to_string(n));
}

void Hang(Connection &connection, const ReceivedRequest &) {
  connection.Pause(std::chrono::seconds(30));
}

TEST(HttpClient, ExchangeThatGetsNoTurnInTimeWasNotSent) {
  ScriptedServer server(Hang);
  HttpClientOptions options;
  options.max_exchanges = 1;
  ClientDriver driver(options);
  driver.client().Send(1, Request("GET", server.Url("/first")));
  HttpRequest second = Request("POST", server.Url("/second"));
  second.timeout = milliseconds(100);
  const HttpResponse response = driver.Run(std::move(second));
  EXPECT_EQ(response.outcome, HttpOutcome::kNotSent);
  EXPECT_EQ(response.error.sqlstate(), "08001");
  EXPECT_EQ(driver.completed.count(1), 0u);
}

TEST(HttpClient, TimeLimitHoldsWhileWaitingForAConnection) {
  ScriptedServer server(Hang);
  HttpClientOptions options;
  options.max_host_connections = 1;
  ClientDriver driver(options);
  driver.client().Send(1, Request("GET", server.Url("/first")));
  ASSERT_TRUE(driver.RunUntil([&] { return server.requests().size() == 1; }));
  HttpRequest second = Request("POST", server.Url("/second"));
  second.timeout = milliseconds(200);
  const TimePoint begin = std::chrono::steady_clock::now();
  const HttpResponse response = driver.Run(std::move(second));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(2000));
  EXPECT_EQ(response.outcome, HttpOutcome::kNotSent);
}

TEST(HttpClient, CancelledExchangeReportsNothing) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &request) {
    request.path == "/slow" ? Hang(connection, request) : SayOk(connection, request);
  });
  HttpClientOptions options;
  options.max_exchanges = 1;
  ClientDriver driver(options);
  driver.client().Send(1, Request("POST", server.Url("/slow")));    // running
  driver.client().Send(2, Request("POST", server.Url("/queued")));  // never started
  driver.client().Send(3, Request("POST", "ftp://127.0.0.1/"));     // completed at once
  driver.client().Send(4, Request("GET", server.Url("/last")));
  ASSERT_TRUE(driver.RunUntil([&] { return server.requests().size() == 1; }));
  driver.client().Cancel(2);
  driver.client().Cancel(1);
  driver.client().Cancel(99);  // unknown: nothing happens
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.count(4) != 0; }));
  EXPECT_EQ(driver.completed.count(1), 0u);
  EXPECT_EQ(driver.completed.count(2), 0u);
  EXPECT_EQ(server.requests().size(), 2u);
  EXPECT_TRUE(driver.Quiet());
}

TEST(HttpClient, CompletionOfSendItselfCanBeCancelled) {
  ClientDriver driver;
  driver.client().Send(1, Request("GET", "ftp://127.0.0.1/"));
  ASSERT_TRUE(driver.client().NextDeadline());
  EXPECT_LE(*driver.client().NextDeadline(), std::chrono::steady_clock::now());
  driver.client().Cancel(1);
  EXPECT_TRUE(driver.client().TakeCompletions().empty());
  EXPECT_FALSE(driver.client().NextDeadline());
}

TEST(HttpClient, NumberInUseIsRefusedWithoutSayingNotSent) {
  ScriptedServer server(Hang);
  ClientDriver driver;
  driver.client().Send(1, Request("GET", server.Url("/")));
  driver.client().Send(1, Request("GET", server.Url("/")));
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.count(1) != 0; }));
  EXPECT_EQ(driver.completed[1].outcome, HttpOutcome::kUnknown);
}

TEST(HttpClient, ClientMayGoWhileExchangesAndLookUpsAreUnderWay) {
  ScriptedServer server(Hang);
  ClientDriver driver;
  for (uint64_t id = 0; id < 100; ++id)
    driver.client().Send(id, Request("GET", server.Url("/")));
  driver.client().Resolve(1, "name-to-be-looked-up.invalid", milliseconds(5000));
  ASSERT_TRUE(driver.RunUntil([&] { return server.requests().size() >= 10; }));
}

TEST(HttpClient, RequestIdsGoBothWays) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &request) {
    const bool neon = request.path == "/neon";
    connection.Write(Answer(
        neon ? 500 : 200, "",
        std::string("X-Request-Id: proxy\r\n") + (neon ? "X-Neon-Ret-Request-Id: 6a1b \r\n" : "")));
  });
  ClientDriver driver;
  HttpRequest request = Request("POST", server.Url("/neon"));
  request.request_id = "step-17";
  EXPECT_EQ(driver.Run(request).request_id, "6a1b");
  EXPECT_NE(server.requests()[0].head.find("\r\nX-Request-ID: step-17\r\n"), std::string::npos);
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/other"))).request_id, "proxy");
  EXPECT_EQ(server.requests()[1].head.find("X-Request-ID"), std::string::npos);
  request.request_id = "two\r\nlines";
  EXPECT_EQ(driver.Run(request).outcome, HttpOutcome::kNotSent);
}

TEST(HttpClient, HttpsGoesThroughTheProxyOfTheOptionsOnly) {
  ScriptedServer proxy([](Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(403, ""));
    connection.Close();
  });
  setenv("https_proxy", "http://127.0.0.1:1", 1);
  ClientDriver driver;
  driver.client().UseProxy("http://127.0.0.1:" + std::to_string(proxy.port()));
  const HttpResponse response = driver.Run(Request("POST", "https://service.invalid/path"));
  unsetenv("https_proxy");
  EXPECT_EQ(response.outcome, HttpOutcome::kNotSent) << response.error.message();
  ASSERT_EQ(proxy.requests().size(), 1u);
  EXPECT_EQ(proxy.requests()[0].method, "CONNECT");
  EXPECT_EQ(proxy.requests()[0].path, "service.invalid:443");
}

}  // namespace
}  // namespace agent_branch
