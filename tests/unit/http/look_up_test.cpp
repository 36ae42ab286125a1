// Name look-ups that hang. The test program's own getaddrinfo() stands before the system's: names
// that end with ".hang.invalid" do not return until they are released, "many.invalid" has several
// addresses.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <signal.h>

#include <condition_variable>
#include <mutex>
#include <string_view>

#include "tests/unit/http/client_driver.hpp"
#include "tests/unit/http/scripted_server.hpp"
#include "worker/http/client.hpp"
#include "worker/http/lookup_budget.hpp"

namespace agent_branch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Hanging {
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  int most = 0;
  bool blocks_signals = true;
  bool released = false;
};

Hanging &Names() {
  static Hanging *names = new Hanging();  // threads may outlive main()
  return *names;
}

bool BlocksSignals() {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1 &&
         sigismember(&mask, SIGALRM) == 1;
}

void Hang() {
  Hanging &names = Names();
  std::unique_lock<std::mutex> lock(names.mutex);
  names.most = std::max(names.most, ++names.inside);
  names.blocks_signals = names.blocks_signals && BlocksSignals();
  names.changed.notify_all();
  names.changed.wait(lock, [&] { return names.released; });
  --names.inside;
  names.changed.notify_all();
}

class HangingLookUp : public testing::Test {
 protected:
  void SetUp() override {
    std::lock_guard<std::mutex> lock(Names().mutex);
    Names().most = 0;
    Names().released = false;
  }
  void TearDown() override {
    std::unique_lock<std::mutex> lock(Names().mutex);
    Names().released = true;
    Names().changed.notify_all();
    EXPECT_TRUE(Names().changed.wait_for(lock, seconds(20), [] { return Names().inside == 0; }));
  }
  static int Inside() {
    std::lock_guard<std::mutex> lock(Names().mutex);
    return Names().inside;
  }
  static HttpRequest Hung(int number, milliseconds timeout) {
    HttpRequest request =
        Request("POST", "https://n" + std::to_string(number) + ".hang.invalid/projects");
    request.timeout = timeout;
    return request;
  }
};

TEST_F(HangingLookUp, EndsByItsLimitAndIsNotSent) {
  ScriptedServer server([](ScriptedServer::Connection &connection, const ReceivedRequest &) {
    connection.Write(Answer(200, "ok"));
  });
  ClientDriver driver;
  const TimePoint begin = std::chrono::steady_clock::now();
  driver.client().Send(1, Hung(1, milliseconds(500)));
  ASSERT_TRUE(driver.RunUntil([] { return Inside() == 1; }));
  EXPECT_EQ(driver.Run(Request("GET", server.Url("/"))).status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(400));
  ASSERT_TRUE(driver.RunUntil([&] { return driver.completed.count(1) != 0; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(1500));
  EXPECT_EQ(driver.completed[1].outcome, HttpOutcome::kNotSent);
  EXPECT_EQ(driver.completed[1].error.sqlstate(), "08001");
  EXPECT_NE(driver.completed[1].error.message().find("time limit"), std::string::npos);
  EXPECT_TRUE(driver.Quiet());
}

TEST_F(HangingLookUp, ThreadsRunNoSignalHandlers) {
  ClientDriver driver;
  driver.client().Send(1, Hung(1, seconds(20)));
  driver.client().Resolve(1, "n2.hang.invalid", seconds(20));
  ASSERT_TRUE(driver.RunUntil([] { return Inside() == 2; }));
  EXPECT_TRUE(Names().blocks_signals);
  EXPECT_FALSE(BlocksSignals());
}

TEST_F(HangingLookUp, ThreadsThatWereGivenUpCountOn) {
  HttpClientOptions options;
  options.max_exchanges = 4;
  options.max_look_ups = 3;
  ClientDriver driver(options);
  for (int n = 0; n < 20; ++n) {
    driver.client().Send(n, Hung(n, milliseconds(50 * (1 + n / 4))));
    driver.client().Resolve(n, "r" + std::to_string(n) + ".hang.invalid",
                            milliseconds(50 * (1 + n / 3)));
  }
  ASSERT_TRUE(driver.RunUntil(
      [&] { return driver.completed.size() == 20 && driver.resolved.size() == 20; }));
  for (const auto &[id, response] : driver.completed)
    EXPECT_EQ(response.outcome, HttpOutcome::kNotSent);
  for (const auto &[id, resolution] : driver.resolved)
    EXPECT_EQ(resolution.error.sqlstate(), "08001");
  EXPECT_LE(Names().most, 7);
  EXPECT_TRUE(driver.Quiet());
}

TEST(LookUp, GivesEveryAddressOnceAndSoon) {
  ClientDriver driver;
  const TimePoint begin = std::chrono::steady_clock::now();
  driver.client().Resolve(1, "many.invalid", seconds(20));
  ASSERT_TRUE(driver.RunUntil([&] { return driver.resolved.count(1) != 0; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(2));
  EXPECT_TRUE(driver.resolved[1].error.ok());
  std::vector<std::string> v4;
  std::vector<std::string> v6;
  for (const std::string &address : driver.resolved[1].addresses)
    (address.find(':') == std::string::npos ? v4 : v6).push_back(address);
  EXPECT_EQ(v4, (std::vector<std::string>{"192.0.2.1", "192.0.2.2", "192.0.2.3"}));
  // libcurl leaves IPv6 addresses out on a machine that has no IPv6.
  if (!v6.empty()) {
    EXPECT_EQ(v6, (std::vector<std::string>{"2001:db8::1", "2001:db8::2"}));
  }
  EXPECT_TRUE(driver.Quiet());
}

TEST_F(HangingLookUp, CancelAndEndOfTheClientDoNotWait) {
  const TimePoint begin = std::chrono::steady_clock::now();
  {
    ClientDriver driver;
    driver.client().Send(1, Hung(1, seconds(20)));
    driver.client().Send(2, Hung(2, seconds(20)));
    driver.client().Resolve(1, "n3.hang.invalid", seconds(20));
    driver.client().Resolve(2, "n4.hang.invalid", seconds(20));
    ASSERT_TRUE(driver.RunUntil([] { return Inside() == 4; }));
    driver.client().Cancel(1);
    driver.client().CancelResolve(1);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(5));
}

TEST(LookupBudget, GivenUpLookUpsCountForThirtySeconds) {
  LookupBudget budget;
  const TimePoint start = TimePoint() + seconds(1000);
  EXPECT_FALSE(budget.NextExpiry());
  budget.GiveUp(start);
  budget.GiveUp(start + seconds(10));
  EXPECT_EQ(budget.Count(start + seconds(29)), 2u);
  EXPECT_EQ(budget.NextExpiry(), start + seconds(30));
  EXPECT_EQ(budget.Count(start + seconds(30)), 1u);
  EXPECT_EQ(budget.Count(start + seconds(40)), 0u);
}

}  // namespace
}  // namespace agent_branch

extern "C" int getaddrinfo(const char *node, const char *service, const addrinfo *hints,
                           addrinfo **result) {
  constexpr std::string_view kHangs = ".hang.invalid";
  const std::string_view name = node == nullptr ? std::string_view() : node;
  if (name.size() > kHangs.size() && name.substr(name.size() - kHangs.size()) == kHangs) {
    agent_branch::Hang();
    return EAI_NONAME;
  }
  using Function = int (*)(const char *, const char *, const addrinfo *, addrinfo **);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
  if (name != "many.invalid") return next(node, service, hints, result);
  addrinfo numeric{};
  numeric.ai_socktype = SOCK_STREAM;
  numeric.ai_flags = AI_NUMERICHOST;
  addrinfo **end = result;
  for (const char *address :
       {"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.1", "2001:db8::2", "192.0.2.3"}) {
    if (next(address, service, &numeric, end) != 0) abort();
    end = &(*end)->ai_next;
  }
  return 0;
}
