// Hostile amounts: a server must not make us hold more than was agreed.
#include <gtest/gtest.h>
#include <stdio.h>

#include "tests/unit/http/client_driver.hpp"
#include "tests/unit/http/scripted_server.hpp"
#include "worker/http/client.hpp"

namespace agent_branch {
namespace {

using Connection = ScriptedServer::Connection;

void ExpectLimit(const HttpResponse &response, const char *what) {
  EXPECT_EQ(response.outcome, HttpOutcome::kUnknown);
  EXPECT_EQ(response.status, 0);
  EXPECT_EQ(response.error.sqlstate(), "54000") << response.error.message();
  EXPECT_NE(response.error.message().find(what), std::string::npos) << response.error.message();
  EXPECT_NE(response.error.message().find("limit"), std::string::npos);
}

TEST(HttpLimits, AnnouncedBodyOfHundredMegabytesIsNotRead) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write("HTTP/1.1 201 Created\r\nContent-Length: 104857600\r\n\r\n");
    const std::string block(1 << 20, 'x');
    for (int n = 0; n < 100 && connection.Write(block); ++n) {
    }
  });
  ClientDriver driver;
  ExpectLimit(driver.Run(Request("POST", server.Url("/"))), "body");
}

TEST(HttpLimits, UnannouncedBodyOfHundredMegabytesIsCutOff) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string block = "100000\r\n" + std::string(1 << 20, 'x') + "\r\n";
    for (int n = 0; n < 100 && connection.Write(block); ++n) {
    }
  });
  ClientDriver driver;
  ExpectLimit(driver.Run(Request("GET", server.Url("/"))), "body");
}

TEST(HttpLimits, BodyOfExactlyTheLimitPasses) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &request) {
    connection.Write(Answer(200, std::string(request.path == "/more" ? 1001 : 1000, 'x')));
  });
  ClientDriver driver;
  HttpRequest request = Request("GET", server.Url("/"));
  request.max_response_bytes = 1000;
  EXPECT_EQ(driver.Run(request).body.size(), 1000u);
  request.url = server.Url("/more");
  ExpectLimit(driver.Run(request), "body");
}

TEST(HttpLimits, HugeHeadersAreCutOff) {
  const std::string one = "X-Filler: " + std::string(1000, 'x') + "\r\n";
  std::string many;
  for (int n = 0; n < 70; ++n)
    many += one;
  ScriptedServer server([&](Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(200, "ok", many));
  });
  ClientDriver driver;
  ExpectLimit(driver.Run(Request("POST", server.Url("/"))), "headers");
}

TEST(HttpLimits, OneHugeHeaderLineIsCutOff) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(200, "ok", "X: " + std::string(5'000'000, 'x') + "\r\n"));
  });
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("POST", server.Url("/")));
  ExpectLimit(response, "headers");
}

TEST(HttpLimits, EndlessInterimResponsesAreCutOff) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    while (connection.Write("HTTP/1.1 103 Early Hints\r\n\r\n")) {
    }
  });
  ClientDriver driver;
  ExpectLimit(driver.Run(Request("POST", server.Url("/"))), "headers");
}

TEST(HttpLimits, DeepJsonIsOnlyText) {
  const std::string deep(1'000'000, '[');
  ScriptedServer server([&](Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(200, deep));
  });
  ClientDriver driver;
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/"))).body, deep);
}

std::string Zipped(const char *bytes) {
  const std::string command = std::string("head -c ") + bytes + " /dev/zero | gzip -c 2>/dev/null";
  FILE *pipe = popen(command.c_str(), "r");
  std::string zipped;
  char block[4096];
  size_t count;
  while ((count = fread(block, 1, sizeof(block), pipe)) > 0)
    zipped.append(block, count);
  return pclose(pipe) == 0 ? zipped : std::string();
}

TEST(HttpLimits, LimitCountsWhatCompressedBytesBecome) {
  const std::string small = Zipped("100000");
  const std::string bomb = Zipped("50000000");
  if (bomb.empty()) GTEST_SKIP() << "gzip is not installed";
  ScriptedServer server([&](Connection &connection, const ReceivedRequest &request) {
    connection.Write(
        Answer(200, request.path == "/bomb" ? bomb : small, "Content-Encoding: gzip\r\n"));
  });
  ClientDriver driver;
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/"))).body, std::string(100'000, '\0'));
  ExpectLimit(driver.Run(Request("GET", server.Url("/bomb"))), "body");
}

TEST(HttpLimits, BrokenCompressionIsAProtocolViolation) {
  ScriptedServer server([](Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(200, "this is not gzip", "Content-Encoding: gzip\r\n"));
  });
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("GET", server.Url("/")));
  EXPECT_EQ(response.outcome, HttpOutcome::kUnknown);
  EXPECT_EQ(response.error.sqlstate(), "08P01");
}

}  // namespace
}  // namespace agent_branch
