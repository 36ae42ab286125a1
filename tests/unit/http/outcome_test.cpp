// What may have happened at the server when an exchange brought no answer, and what brought one.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/http/client_driver.hpp"
#include "tests/unit/http/scripted_server.hpp"
#include "worker/http/client.hpp"

namespace agent_branch {
namespace {

using std::chrono::milliseconds;
using Connection = ScriptedServer::Connection;

ScriptedServer::Script Bytes(std::string bytes) {
  return [bytes = std::move(bytes)](Connection &connection, const ReceivedRequest &) {
    connection.Write(bytes);
    connection.Close();
  };
}

void ExpectFailure(const HttpResponse &response, HttpOutcome outcome, const char *sqlstate) {
  EXPECT_EQ(response.outcome, outcome) << response.error.message();
  EXPECT_EQ(response.status, 0);
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(response.error.sqlstate(), sqlstate) << response.error.message();
  EXPECT_FALSE(response.error.message().empty());
  EXPECT_FALSE(response.error.detail().empty());
  EXPECT_FALSE(response.error.hint().empty());
}

TEST(HttpOutcome, ResetBeforeTheAnswerIsUnknown) {
  ScriptedServer server(
      [](Connection &connection, const ReceivedRequest &) { connection.Reset(); });
  ClientDriver driver;
  ExpectFailure(driver.Run(Request("POST", server.Url("/"), "{}")), HttpOutcome::kUnknown, "08006");
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(HttpOutcome, EndBeforeTheAnswerIsUnknown) {
  ScriptedServer server(Bytes(""));
  ClientDriver driver;
  ExpectFailure(driver.Run(Request("POST", server.Url("/"))), HttpOutcome::kUnknown, "08006");
}

TEST(HttpOutcome, HalfAnAnswerIsUnknown) {
  for (const char *half : {"HTTP/1.1 20", "HTTP/1.1 201 Created\r\nContent-Le",
                           "HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nhalf",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
                           "HTTP/1.1 100 Continue\r\n\r\n"}) {
    ScriptedServer server(Bytes(half));
    ClientDriver driver;
    const HttpResponse response = driver.Run(Request("POST", server.Url("/")));
    EXPECT_EQ(response.outcome, HttpOutcome::kUnknown) << half;
    EXPECT_EQ(response.body, "") << half;
    EXPECT_EQ(response.error.sqlstate().substr(0, 2), "08") << half;
  }
}

TEST(HttpOutcome, MoreThanContentLengthIsCutAndTheConnectionNotReused) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n");
  });
  ClientDriver driver;
  for (int n = 0; n < 2; ++n) {
    const HttpResponse response = driver.Run(Request("GET", server.Url("/")));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "ok");
  }
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpOutcome, PostOnAConnectionThatIsClosedUnderItIsSentOnceAndUnknown) {
  for (const char *method : {"POST", "PATCH", "DELETE", "PUT"}) {
    ScriptedServer server([](Connection &connection, const ReceivedRequest &request) {
      if (request.number == 0)
        connection.Write(Answer(200, "first"));
      else
        connection.Close();
    });
    ClientDriver driver;
    ASSERT_EQ(driver.Run(Request("GET", server.Url("/warm-up"))).body, "first");
    ExpectFailure(driver.Run(Request(method, server.Url("/once"))), HttpOutcome::kUnknown, "08006");
    // Exchanges after it see that no repetition was on its way.
    ASSERT_EQ(driver.Run(Request("GET", server.Url("/after"))).body, "first");
    int seen = 0;
    for (const ReceivedRequest &request : server.requests())
      seen += request.path == "/once" ? 1 : 0;
    EXPECT_EQ(seen, 1) << method;
  }
}

TEST(HttpOutcome, PostWithABodyOnAResetConnectionIsSentOnce) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &request) {
    if (request.number == 0)
      connection.Write(Answer(200, "first"));
    else
      connection.Reset();
  });
  ClientDriver driver;
  ASSERT_EQ(driver.Run(Request("GET", server.Url("/"))).body, "first");
  ExpectFailure(driver.Run(Request("POST", server.Url("/once"), std::string(100'000, 'x'))),
                HttpOutcome::kUnknown, "08006");
  ASSERT_EQ(driver.Run(Request("GET", server.Url("/"))).body, "first");
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST(HttpOutcome, GetOnAConnectionThatIsClosedUnderItIsRepeated) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &request) {
    if (request.number == 0)
      connection.Write(Answer(200, "first"));
    else
      connection.Close();
  });
  ClientDriver driver;
  ASSERT_EQ(driver.Run(Request("GET", server.Url("/"))).body, "first");
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/"))).body, "first");
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST(HttpOutcome, ConnectionClosedWhileIdleCostsAPostNothing) {
  ScriptedServer server(
      [](Connection &connection, const ReceivedRequest &) { connection.Write(Answer(200, "ok")); });
  ClientDriver driver;
  ASSERT_EQ(driver.Run(Request("GET", server.Url("/"))).status, 200);
  server.CloseConnections();
  EXPECT_EQ(driver.Run(Request("POST", server.Url("/"))).outcome, HttpOutcome::kAnswered);
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpOutcome, ExpectationFailedIsAnAnswerAndNotRepeated) {
  ScriptedServer server(
      [](Connection &connection, const ReceivedRequest &) { connection.Write(Answer(417, "")); });
  ClientDriver driver;
  EXPECT_EQ(driver.Run(Request("POST", server.Url("/"), std::string(2'000'000, 'x'))).status, 417);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(HttpOutcome, RedirectIsAnAnswer) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(307, "", "Location: /elsewhere\r\n"));
  });
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("POST", server.Url("/")));
  EXPECT_EQ(response.outcome, HttpOutcome::kAnswered);
  EXPECT_EQ(response.status, 307);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(HttpOutcome, NoContentIsAnAnswer) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write("HTTP/1.1 204 No Content\r\n\r\n");
  });
  ClientDriver driver;
  for (int n = 0; n < 2; ++n) {
    const HttpResponse response = driver.Run(Request("DELETE", server.Url("/")));
    EXPECT_EQ(response.outcome, HttpOutcome::kAnswered);
    EXPECT_EQ(response.status, 204);
    EXPECT_EQ(response.body, "");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpOutcome, ChunksAreJoined) {
  ScriptedServer server(
      Bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"));
  ClientDriver driver;
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/"))).body, "abcde");
}

TEST(HttpOutcome, InterimResponsesAreSkipped) {
  ScriptedServer server(
      Bytes("HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
            "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"));
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("GET", server.Url("/")));
  EXPECT_EQ(response.status, 503);
  EXPECT_FALSE(response.retry_after);
}

TEST(HttpOutcome, GatewayPageAndOtherTextArePassedThrough) {
  const std::string page = "<html><title>524: A timeout occurred</title></html>";
  ScriptedServer server([&](Connection &connection, const ReceivedRequest &request) {
    if (request.path == "/524")
      connection.Write(Answer(524, page, "Content-Type: text/html\r\n"));
    else
      connection.Write(Answer(200, std::string_view("\0\xff{", 3)));
  });
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("POST", server.Url("/524")));
  EXPECT_EQ(response.outcome, HttpOutcome::kAnswered);
  EXPECT_EQ(response.status, 524);
  EXPECT_EQ(response.body, page);
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/"))).body, std::string("\0\xff{", 3));
}

TEST(HttpOutcome, WhatIsNoHttpIsAProtocolViolation) {
  ScriptedServer server(Bytes("220 mail.example.com ESMTP\r\n"));
  ClientDriver driver;
  ExpectFailure(driver.Run(Request("GET", server.Url("/"))), HttpOutcome::kUnknown, "08P01");
}

TEST(HttpOutcome, RefusedPortIsNotSent) {
  ClientDriver driver;
  const std::string url = "http://127.0.0.1:" + std::to_string(UnusedPort()) + "/projects?key=v";
  const HttpResponse response = driver.Run(Request("POST", url));
  ExpectFailure(response, HttpOutcome::kNotSent, "08001");
  EXPECT_NE(response.error.message().find("refused"), std::string::npos);
  EXPECT_NE(response.error.detail().find("/projects"), std::string::npos);
  EXPECT_EQ(response.error.detail().find("key"), std::string::npos);
}

TEST(HttpOutcome, NameThatDoesNotResolveIsNotSent) {
  ClientDriver driver;
  const HttpResponse response =
      driver.Run(Request("POST", "https://no-such-host.invalid/api/v2/projects"));
  ExpectFailure(response, HttpOutcome::kNotSent, "08001");
  EXPECT_NE(response.error.message().find("does not resolve"), std::string::npos);
  EXPECT_NE(response.error.message().find("no-such-host.invalid"), std::string::npos);
}

TEST(HttpOutcome, ErrorsHoldNoHeaderValue) {
  ScriptedServer server(
      [](Connection &connection, const ReceivedRequest &) { connection.Reset(); });
  ClientDriver driver;
  HttpRequest request = Request("POST", server.Url("/"), "hidden-body");
  request.headers.emplace_back("Authorization", Secret("Bearer hidden-key"));
  const Status error = driver.Run(std::move(request)).error;
  for (const std::string &text : {error.message(), error.detail(), error.hint()})
    EXPECT_EQ(text.find("hidden"), std::string::npos) << text;
}

TEST(HttpOutcome, RetryAfterIsReported) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(429, "", "retry-AFTER:  7 \r\n"));
  });
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("GET", server.Url("/")));
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.retry_after, std::chrono::seconds(7));
}

TEST(HttpOutcome, ProxyOfTheEnvironmentIsNotUsed) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(200, "direct"));
  });
  const std::string proxy = "http://127.0.0.1:" + std::to_string(UnusedPort());
  setenv("http_proxy", proxy.c_str(), 1);
  setenv("ALL_PROXY", proxy.c_str(), 1);
  ClientDriver driver;
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/"))).body, "direct");
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
}

}  // namespace
}  // namespace agent_branch
