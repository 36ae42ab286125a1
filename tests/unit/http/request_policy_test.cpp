#include "worker/http/request_policy.hpp"

#include <gtest/gtest.h>

#include "tests/unit/http/client_driver.hpp"
#include "tests/unit/http/scripted_server.hpp"

namespace agent_branch {
namespace {

TEST(RequestPolicy, HttpsGoesAnywhere) {
  for (const char *url : {"https://console.neon.tech/api/v2/projects", "https://10.0.0.1:8443/",
                          "HTTPS://[2001:db8::1]/", "https://localhost"})
    EXPECT_TRUE(CheckUrl(url).ok()) << url;
}

TEST(RequestPolicy, HttpGoesToLoopbackOnly) {
  for (const char *url : {"http://127.0.0.1:4010/", "http://127.8.9.10/", "http://localhost:80/x",
                          "http://LOCALHOST/", "http://[::1]:4010/"})
    EXPECT_TRUE(CheckUrl(url).ok()) << url;
  for (const char *url :
       {"http://console.neon.tech/", "http://128.0.0.1/", "http://126.255.255.255/", "http://0/",
        "http://localhost.example.com/", "http://127.0.0.1.example.com/", "http://[::2]/",
        "http://[::ffff:127.0.0.1]/", "http://[2001:db8::1]/", "http://localhost@example.com/",
        "http://10.0.0.1/"})
    EXPECT_FALSE(CheckUrl(url).ok()) << url;
  EXPECT_EQ(CheckUrl("http://example.com/").status().sqlstate(), "08001");
}

TEST(RequestPolicy, OtherUrlsAreRefused) {
  for (const char *url :
       {"", "/", "example.com", "ftp://127.0.0.1/", "file:///etc/passwd", "https://",
        "https://user@example.com/", "https://user:password@example.com/",
        "https://example.com:99999/", "https://exa mple.com/", "https://example.com/a b",
        "https://example.com/\r\nX: y", "gopher://127.0.0.1/"})
    EXPECT_FALSE(CheckUrl(url).ok()) << url;
  EXPECT_FALSE(CheckUrl(std::string("https://example.com/\0/", 22)).ok());
  EXPECT_FALSE(CheckUrl("https://example.com/" + std::string(10'000, 'x')).ok());
}

TEST(RequestPolicy, PasswordInAUrlIsNotRepeated) {
  const Status status = CheckUrl("https://user:hidden@example.com/").status();
  EXPECT_EQ((status.message() + status.detail() + status.hint()).find("hidden"), std::string::npos);
}

HttpRequest WithHeader(std::string name, std::string value) {
  HttpRequest request = Request("GET", "https://example.com/");
  request.headers.emplace_back(std::move(name), Secret(std::move(value)));
  return request;
}

TEST(RequestPolicy, HeaderInjectionIsRefused) {
  using namespace std::string_literals;
  EXPECT_TRUE(CheckRequest(WithHeader("X-Name", "any \t text \xc3\xa9")).ok());
  for (const std::string &value : {"a\r\nX: y"s, "a\nb"s, "a\r"s, "a\0b"s})
    EXPECT_FALSE(CheckRequest(WithHeader("X-Name", value)).ok());
  for (const std::string &name : {""s, "X Y"s, "X:"s, "X\r\nY"s, "X\0Y"s, "X\xc3\xa9"s, "(X)"s})
    EXPECT_FALSE(CheckRequest(WithHeader(name, "y")).ok());
  const Status status = CheckRequest(WithHeader("Authorization", "Bearer hidden\n"));
  EXPECT_NE(status.detail().find("Authorization"), std::string::npos);
  EXPECT_EQ(status.detail().find("hidden"), std::string::npos);
}

TEST(RequestPolicy, FramingBelongsToTheTransport) {
  for (const char *name : {"Host", "content-length", "Transfer-Encoding", "Connection", "Expect"})
    EXPECT_FALSE(CheckRequest(WithHeader(name, "1")).ok()) << name;
}

TEST(RequestPolicy, UnknownMethodsAreRefused) {
  for (const char *method : {"", "get", "CONNECT", "HEAD", "GET / HTTP/1.1\r\nX: y\r\n"})
    EXPECT_FALSE(CheckRequest(Request(method, "https://example.com/")).ok()) << method;
}

TEST(RequestPolicy, WhatIsRefusedWasNotSentAndNobodyWasAsked) {
  ScriptedServer server([](ScriptedServer::Connection &, const ReceivedRequest &) {});
  ClientDriver driver;
  HttpRequest request = Request("POST", server.Url("/"));
  request.headers.emplace_back("X", Secret("a\r\nY: z"));
  EXPECT_EQ(driver.Run(std::move(request)).outcome, HttpOutcome::kNotSent);
  EXPECT_EQ(driver.Run(Request("GET", "http://example.com/")).outcome, HttpOutcome::kNotSent);
  EXPECT_EQ(server.connections(), 0);
}

TEST(RequestPolicy, TextsBecomePrintableAndShort) {
  EXPECT_EQ(Printable("a\nb\x7f\xff"), "a?b??");
  EXPECT_EQ(Printable(std::string(1000, 'x')), std::string(400, 'x') + "...");
}

}  // namespace
}  // namespace agent_branch
