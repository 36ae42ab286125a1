#include "worker/http/resolver.hpp"

#include <gtest/gtest.h>

#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "tests/unit/http/client_driver.hpp"
#include "tests/unit/http/scripted_server.hpp"

namespace agent_branch {
namespace {

using std::chrono::milliseconds;

Resolution Resolve(ClientDriver &driver, const std::string &host) {
  driver.client().Resolve(1, host, milliseconds(10'000));
  EXPECT_TRUE(driver.RunUntil([&] { return driver.resolved.count(1) != 0; }));
  Resolution resolution = driver.resolved[1];
  driver.resolved.clear();
  return resolution;
}

TEST(Resolver, NumericAddressAnswersAtOnce) {
  ClientDriver driver;
  for (const char *address : {"192.0.2.1", "2001:db8::1"}) {
    driver.client().Resolve(1, address, milliseconds(1000));
    ASSERT_TRUE(driver.client().NextDeadline());
    const std::vector<Resolution> resolutions = driver.client().TakeResolutions();
    ASSERT_EQ(resolutions.size(), 1u);
    EXPECT_TRUE(resolutions[0].error.ok());
    EXPECT_EQ(resolutions[0].addresses, std::vector<std::string>{address});
    EXPECT_TRUE(driver.Quiet());
  }
}

TEST(Resolver, LocalhostIsLoopback) {
  ClientDriver driver;
  const Resolution resolution = Resolve(driver, "localhost");
  EXPECT_TRUE(resolution.error.ok()) << resolution.error.detail();
  const auto &addresses = resolution.addresses;
  EXPECT_NE(std::find(addresses.begin(), addresses.end(), "127.0.0.1"), addresses.end());
  for (const std::string &address : addresses)
    EXPECT_TRUE(address == "127.0.0.1" || address == "::1") << address;
  EXPECT_TRUE(driver.Quiet());
}

TEST(Resolver, NothingIsConnected) {
  ScriptedServer server([](ScriptedServer::Connection &, const ReceivedRequest &) {});
  ClientDriver driver;
  Resolve(driver, "localhost");
  EXPECT_EQ(server.connections(), 0);
}

TEST(Resolver, NameOfTheHostsFileIsLookedUp) {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  addrinfo *found = nullptr;
  if (getaddrinfo(name.data(), nullptr, nullptr, &found) != 0)
    GTEST_SKIP() << "this machine's own name does not resolve";
  std::array<char, 64> numeric{};
  getnameinfo(found->ai_addr, found->ai_addrlen, numeric.data(), numeric.size(), nullptr, 0,
              NI_NUMERICHOST);
  freeaddrinfo(found);
  ClientDriver driver;
  const Resolution resolution = Resolve(driver, name.data());
  EXPECT_TRUE(resolution.error.ok()) << resolution.error.detail();
  const auto &addresses = resolution.addresses;
  EXPECT_NE(std::find(addresses.begin(), addresses.end(), numeric.data()), addresses.end());
}

TEST(Resolver, NameThatDoesNotResolveIsAnError) {
  ClientDriver driver;
  const Resolution resolution = Resolve(driver, "no-such-host.invalid");
  EXPECT_TRUE(resolution.addresses.empty());
  EXPECT_EQ(resolution.error.sqlstate(), "08001");
  EXPECT_NE(resolution.error.message().find("no-such-host.invalid"), std::string::npos);
  EXPECT_FALSE(resolution.error.hint().empty());
}

TEST(Resolver, WhatIsNoNameIsRefused) {
  ClientDriver driver;
  for (const std::string &host :
       {std::string(), std::string("a/b"), std::string("a:80"), std::string("a@b"),
        std::string("a b"), std::string("a\0b", 3), std::string("[::1]"), std::string("a#b"),
        std::string(254, 'a')}) {
    const Resolution resolution = Resolve(driver, host);
    EXPECT_EQ(resolution.error.sqlstate(), "08001") << host;
    EXPECT_TRUE(resolution.addresses.empty());
  }
}

TEST(Resolver, ManyLookUpsAtOnceComplete) {
  ClientDriver driver;
  for (uint64_t id = 0; id < 100; ++id)
    driver.client().Resolve(id, id % 2 == 0 ? "localhost" : "127.0.0.1", milliseconds(10'000));
  ASSERT_TRUE(driver.RunUntil([&] { return driver.resolved.size() == 100; }));
  for (const auto &[id, resolution] : driver.resolved)
    EXPECT_TRUE(resolution.error.ok()) << id;
  EXPECT_EQ(driver.client().under_way(), 0u);
  EXPECT_TRUE(driver.Quiet());
}

TEST(Resolver, LookUpThatGetsNoTurnInTimeFails) {
  HttpClientOptions options;
  options.max_look_ups = 0;
  ClientDriver driver(options);
  driver.client().Resolve(1, "localhost", milliseconds(50));
  ASSERT_TRUE(driver.RunUntil([&] { return driver.resolved.count(1) != 0; }));
  EXPECT_EQ(driver.resolved[1].error.sqlstate(), "08001");
}

TEST(Resolver, CancelledLookUpReportsNothing) {
  ClientDriver driver;
  driver.client().Resolve(1, "no-such-host.invalid", milliseconds(10'000));
  driver.client().Resolve(2, "127.0.0.1", milliseconds(10'000));
  driver.client().CancelResolve(1);
  driver.client().CancelResolve(2);
  EXPECT_EQ(driver.client().under_way(), 0u);
  EXPECT_TRUE(driver.client().TakeResolutions().empty());
}

}  // namespace
}  // namespace agent_branch
