#include <gtest/gtest.h>

#include "tests/unit/http/client_driver.hpp"
#include "tests/unit/http/scripted_server.hpp"
#include "worker/http/client.hpp"

namespace agent_branch {
namespace {

using std::chrono::milliseconds;
using Connection = ScriptedServer::Connection;

std::string Https(const std::string &host, int port) {
  return "https://" + host + ":" + std::to_string(port) + "/";
}

TEST(HttpTls, CertificateThatDoesNotVerifyIsNotSent) {
  TlsServer server;
  if (!server.running()) GTEST_SKIP() << "the openssl command is not installed";
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("POST", Https("localhost", server.port())));
  EXPECT_EQ(response.outcome, HttpOutcome::kNotSent);
  EXPECT_EQ(response.error.sqlstate(), "08001");
  EXPECT_NE(response.error.message().find("certificate does not verify"), std::string::npos)
      << response.error.message();
  EXPECT_NE(response.error.hint().find("CA certificates"), std::string::npos);
}

TEST(HttpTls, TrustedCertificateIsAnswered) {
  TlsServer server;
  if (!server.running()) GTEST_SKIP() << "the openssl command is not installed";
  HttpClientOptions options;
  options.ca_file = server.certificate();
  ClientDriver driver(options);
  for (const char *host : {"localhost", "127.0.0.1"}) {
    const HttpResponse response = driver.Run(Request("GET", Https(host, server.port())));
    EXPECT_EQ(response.outcome, HttpOutcome::kAnswered) << response.error.detail();
    EXPECT_EQ(response.status, 200);
  }
  EXPECT_TRUE(driver.Quiet());
}

TEST(HttpTls, TrustedCertificateForAnotherHostIsNotSent) {
  TlsServer server("127.0.0.2");
  if (!server.running()) GTEST_SKIP() << "the openssl command is not installed";
  HttpClientOptions options;
  options.ca_file = server.certificate();
  ClientDriver driver(options);
  const HttpResponse response = driver.Run(Request("POST", Https("127.0.0.2", server.port())));
  EXPECT_EQ(response.outcome, HttpOutcome::kNotSent);
  // Not for want of a server there.
  EXPECT_NE(response.error.message().find("certificate does not verify"), std::string::npos)
      << response.error.message();
}

TEST(HttpTls, ManyExchangesWithAServerThatClosesEachConnectionComplete) {
  TlsServer server;
  if (!server.running()) GTEST_SKIP() << "the openssl command is not installed";
  HttpClientOptions options;
  options.ca_file = server.certificate();
  ClientDriver driver(options);
  for (uint64_t id = 0; id < 20; ++id)
    driver.client().Send(id, Request("GET", Https("localhost", server.port())));
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.size() == 20; }));
  for (const auto &[id, response] : driver.completed)
    EXPECT_EQ(response.status, 200) << response.error.message() << response.error.detail();
}

TEST(HttpTls, MissingCaFileIsNotSent) {
  ScriptedServer server([](Connection &, const ReceivedRequest &) {});
  HttpClientOptions options;
  options.ca_file = "/nonexistent/ca.pem";
  ClientDriver driver(options);
  const HttpResponse response = driver.Run(Request("POST", Https("localhost", server.port())));
  EXPECT_EQ(response.outcome, HttpOutcome::kNotSent);
  EXPECT_NE(response.error.message().find("CA certificates"), std::string::npos);
}

TEST(HttpTls, ServerWithoutTlsIsNotSent) {
  ScriptedServer server([](Connection &, const ReceivedRequest &) {},
                        [](Connection &connection) {
                          connection.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
                          connection.Close();
                        });
  ClientDriver driver;
  const HttpResponse response = driver.Run(Request("POST", Https("localhost", server.port())));
  EXPECT_EQ(response.outcome, HttpOutcome::kNotSent);
  EXPECT_EQ(response.error.sqlstate(), "08001");
  EXPECT_TRUE(server.requests().empty());
}

TEST(HttpTls, HandshakeThatHangsIsNotSentAfterTheConnectLimit) {
  ScriptedServer server([](Connection &, const ReceivedRequest &) {});  // waits for a blank line
  ClientDriver driver;
  // They wait for one handshake together; each has its limit all the same.
  for (uint64_t id = 0; id < 5; ++id) {
    HttpRequest request = Request("POST", Https("localhost", server.port()));
    request.connect_timeout = milliseconds(200);
    request.timeout = milliseconds(700);
    driver.client().Send(id, std::move(request));
  }
  const TimePoint begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.size() == 5; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(2000));
  for (const auto &[id, response] : driver.completed) {
    EXPECT_EQ(response.outcome, HttpOutcome::kNotSent);
    EXPECT_NE(response.error.message().find("time limit"), std::string::npos);
  }
  EXPECT_TRUE(driver.Quiet());
}

}  // namespace
}  // namespace agent_branch
