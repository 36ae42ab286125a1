// How a connection is made: what may not hold the loop, and whom the password is given to.
#include <sys/stat.h>

#include <condition_variable>
#include <fstream>
#include <mutex>

#include "tests/branch/fake_server.hpp"
#include "tests/branch/test_support.hpp"
#include "worker/branch/authentication_stream.hpp"
#include "worker/branch/connection_target.hpp"
#include "worker/branch/handshake_threads.hpp"

namespace agent_branch::testing {
namespace {

using std::chrono::milliseconds;

const std::string kSasl = Message('R', std::string("\0\0\0\x0aSCRAM-SHA-256\0\0", 19));

std::string Challenge(const std::string &iterations) {
  return Message('R', std::string("\0\0\0\x0b", 4) + "r=abc,s=MDEyMw==,i=" + iterations);
}

std::string Refusal(const std::string &bytes) {
  return AuthenticationStream().Feed(bytes);
}

TEST(AuthenticationStream, IterationsAreBounded) {
  EXPECT_EQ(Refusal(kSasl + Challenge("4096")), "");
  EXPECT_EQ(Refusal(kSasl + Challenge("100000")), "");
  EXPECT_EQ(Refusal(kSasl + Challenge("000000100000")), "");
  for (const char *count : {"100001", "60000000", "4294967301", "99999999999999999999999999"}) {
    EXPECT_EQ(Refusal(kSasl + Challenge(count)),
              "the server asks for more than 100000 SCRAM iterations");
  }
  for (const char *count : {"", "-1", "+5", " 5", "0x10", "1e9"})
    EXPECT_NE(Refusal(kSasl + Challenge(count)), "") << count;
}

TEST(AuthenticationStream, BytesMayBeCutAnywhere) {
  const std::string bytes = kSasl + Challenge("100001");
  AuthenticationStream stream;
  for (size_t at = 0; at + 1 < bytes.size(); ++at)
    ASSERT_EQ(stream.Feed(bytes.substr(at, 1)), "") << at;
  EXPECT_FALSE(stream.at_boundary());
  EXPECT_NE(stream.Feed(bytes.substr(bytes.size() - 1)), "");
}

TEST(AuthenticationStream, OrderIsKept) {
  const std::string cleartext = Message('R', std::string("\0\0\0\x03", 4));
  EXPECT_EQ(Refusal(cleartext), "");
  EXPECT_NE(Refusal(kSasl + cleartext), "");
  EXPECT_NE(Refusal(kSasl + kSasl), "");
  EXPECT_NE(Refusal(Challenge("1")), "");
  EXPECT_NE(Refusal(kSasl + Challenge("1") + Challenge("1")), "");
  EXPECT_NE(Refusal(kSasl + Message('R', std::string("\0\0\0\x0c", 4))), "");
  for (const char code : {7, 8, 9})
    EXPECT_NE(Refusal(Message('R', std::string("\0\0\0", 3) + code)), "") << int{code};
  EXPECT_NE(Refusal(Message('N', "x")), "");
}

TEST(AuthenticationStream, WhatComesAfterItsEndIsOfNoInterest) {
  AuthenticationStream stream;
  EXPECT_EQ(stream.Feed(Message('R', std::string(4, '\0')) + "anything"), "");
  EXPECT_TRUE(stream.ended());
  EXPECT_EQ(Refusal("Ecould not fork new process\n"), "");
}

BranchEvent Connect(const std::string &uri, milliseconds connect_timeout = 15s,
                    RunnerOptions options = {}, HostResolver *resolver = nullptr) {
  LibpqBranchRunner runner(resolver, std::move(options));
  BranchTask task = Migration(1, uri, "SELECT 1");
  task.connect_timeout = connect_timeout;
  runner.Start(task);
  return NextEvent(&runner);
}

// A role whose password is "sesame", with a verifier of 100,000 rounds; or of so many in name.
class Role {
 public:
  explicit Role(const std::string &iterations)
      : name_("rounds_" + iterations), admin_(ServerUri("postgres")) {
    admin_.Query("CREATE ROLE " + name_ + " LOGIN PASSWORD 'SCRAM-SHA-256$" + iterations +
                 ":MDEyMzQ1Njc4OWFiY2RlZg==$iQvHfUI9W65KNR4ZMRDRkQpPTJqg6lLS4v8h8WDEtMk=:"
                 "eYg9YKSs9DPyeisKgO42Uwp4gOyE4+/WTFAMRDPJrJg='");
  }
  ~Role() { admin_.Query("DROP ROLE " + name_); }
  std::string uri() const { return ServerUri("postgres", name_, "sesame"); }

 private:
  std::string name_;
  Client admin_;
};

TEST(Scram, AHundredThousandRoundsAreDoneOutsideOfTheLoop) {
  const Role role("100000");
  for (const char *mode : {"disable", "require"}) {
    const auto before = ThreadTime();
    const BranchEvent event = Connect(role.uri() + "?sslmode=" + mode);
    EXPECT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit) << event.error.detail();
    EXPECT_LT(ThreadTime() - before, 40ms) << mode;  // one such login computes for 80
  }
}

// The server itself computes with a new verifier, to see whether the password is empty.
TEST(Scram, MoreRoundsAreRefused) {
  const Role role("100001");
  for (const char *mode : {"disable", "require"}) {
    const BranchEvent event = Connect(role.uri() + "?sslmode=" + mode);
    EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
    EXPECT_EQ(event.error.sqlstate(), "28000");
    EXPECT_NE(event.error.detail().find("SCRAM iterations"), std::string::npos)
        << event.error.detail();
    EXPECT_NE(event.error.hint().find("scram_iterations"), std::string::npos);
  }
}

// With the client's own nonce, which makes libpq compute: for a minute.
TEST(Scram, RoundsAreRefusedBeforeTheyAreDoneThoughTheChallengeComesInPieces) {
  const FakeServer server([](int socket) {
    Receive(socket);
    Send(socket, kSasl);
    const std::string first = Receive(socket);
    const std::string challenge =
        Message('R', std::string("\0\0\0\x0b", 4) + first.substr(first.find("r=")) +
                         "abc,s=MDEyMw==,i=60000000");
    Send(socket, challenge.substr(0, 20));
    // What libpq has read is not there any more, so it has not read it.
    pollfd closed = {socket, POLLIN, 0};
    poll(&closed, 1, 100);
    Send(socket, challenge.substr(20));
    Receive(socket);
  });
  const auto before = ThreadTime();
  EXPECT_EQ(Connect(server.uri()).error.sqlstate(), "28000");
  EXPECT_LT(ThreadTime() - before, 50ms) << "the loop turned without need";
}

TEST(HostileServer, SilenceInAnyPhaseOfAHandshakeEnds) {
  const std::string phases[] = {
      "S", "N", "", kSasl, kSasl.substr(0, 7), Message('R', std::string(4, '\0'))};
  for (const std::string &phase : phases) {
    const FakeServer server([&](int socket) {
      Receive(socket);
      Send(socket, phase);
      while (!Receive(socket).empty()) {
      }
    });
    const bool tls = phase == "S" || phase == "N";
    const std::string uri = ServerUri("db", "a", "b", server.port());
    RunnerOptions options;
    options.attempt_timeout = 150ms;
    const auto before = ThreadTime();
    const BranchEvent event =
        Connect(uri + (tls ? "?sslmode=prefer" : "?sslmode=disable"), 300ms, options);
    EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
    EXPECT_LT(ThreadTime() - before, 80ms) << phase;
  }
}

TEST(HostileServer, SilenceHasOneDeadlineForAllStatements) {
  const FakeServer mute([](int socket) { Welcome(socket), Receive(socket), Receive(socket); });
  RunnerOptions options;
  options.answer_grace = options.cancel_timeout = 50ms;
  LibpqBranchRunner runner(nullptr, options);
  BranchTask task = Migration(1, mute.uri(), "SELECT 1");
  task.statements = 200;
  task.statement_timeout = 300ms;
  task.script_timeout = 400ms;
  runner.Start(task);
  EXPECT_EQ(NextEvent(&runner, 10s).error.sqlstate(), "57014");
}

TEST(HostileServer, PasswordsInADetailAreStruckOut) {
  const FakeServer server([](int socket) {
    Welcome(socket);
    Receive(socket);
    std::string error = "SERROR";
    for (const char *field :
         {"VERROR", "CXX000", "Mhidden-word", "Dhidden-word", "Hhidden-word", "Whidden-word"})
      error += '\0' + std::string(field);
    Send(socket, Message('E', error + std::string(2, '\0')) + Message('Z', "E"));
    Receive(socket);
  });
  const ServerError error = Connect(server.uri()).server_error;
  EXPECT_EQ(error.message, "***");
  EXPECT_EQ(error.detail, "***");
  EXPECT_EQ(error.hint, "***");
  EXPECT_EQ(error.context, "***");
}

TEST(Connecting, ChannelBindingThatIsDemandedIsNotDoneWithout) {
  const std::string uri = ServerUri("postgres") + "?sslmode=disable&channel_binding=require";
  const BranchEvent event = Connect(uri);
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_NE(event.error.detail().find("channel binding"), std::string::npos);
}

// Keeps all of them at work until it goes.
class BusyThreads {
 public:
  BusyThreads() {
    for (int n = 0; n < HandshakeThreads::kMost; ++n) {
      HandshakeThreads::OfProcess().Run([gate = gate_] {
        std::unique_lock<std::mutex> lock(gate->mutex);
        gate->opens.wait(lock, [&] { return gate->open; });
      });
    }
  }
  ~BusyThreads() {
    std::lock_guard<std::mutex> lock(gate_->mutex);
    gate_->open = true;
    gate_->opens.notify_all();
  }

 private:
  struct Gate {
    std::mutex mutex;
    std::condition_variable opens;
    bool open = false;
  };
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

TEST(HandshakeThreads, NobodyWaitsForThem) {
  {
    const BusyThreads busy;
    LibpqBranchRunner runner(nullptr);
    runner.Start(Migration(1, ServerUri("postgres"), "SELECT 1"));
    EXPECT_FALSE(RunUntil(
        &runner, [&] { return !runner.TakeEvents().empty(); }, 200ms));
    runner.Cancel(1);
    EXPECT_EQ(runner.connections(), 0u);
    // A deadline ends what waits for a thread, too.
    EXPECT_EQ(Connect(ServerUri("postgres"), 200ms).outcome, BranchOutcome::kNotRun);
    runner.Start(Migration(2, ServerUri("postgres"), "SELECT 1"));
    RunUntil(
        &runner, [] { return false; }, 50ms);
  }  // the runner goes while its step waits
  EXPECT_EQ(Connect(ServerUri("postgres")).kind, BranchEvent::Kind::kReadyToCommit);
}

class VerifiedTls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::getenv("AGENT_BRANCH_TEST_CA")) GTEST_SKIP() << "the server has no certificate";
    trusting_.ca_file = std::getenv("AGENT_BRANCH_TEST_CA");
  }
  BranchEvent ConnectTo(const std::string &host, const std::string &parameters, int port = 0,
                        bool trusting = true) {
    FakeResolver resolver;
    LibpqBranchRunner runner(&resolver, trusting ? trusting_ : RunnerOptions{});
    BranchTask task = Migration(
        1,
        "postgresql://postgres:open%20sesame@" + host + ":" +
            std::to_string(port ? port : ServerPort()) + "/postgres?" + parameters,
        "DO $$ BEGIN IF NOT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) THEN "
        "RAISE 'not encrypted'; END IF; END $$");
    runner.Start(task);
    EXPECT_TRUE(RunUntil(&runner, [&] { return !!resolver.pending; }));
    resolver.pending(std::vector<std::string>{"127.0.0.1"});
    return NextEvent(&runner);
  }
  RunnerOptions trusting_;
};

TEST_F(VerifiedTls, IsWhatEveryHostGetsWhateverTheUriSays) {
  for (const char *parameters :
       {"", "sslmode=disable", "sslmode=allow", "sslmode=prefer", "sslmode=require",
        "sslmode=verify-ca", "sslmode=require&channel_binding=require",
        "channel_binding=disable"}) {
    const BranchEvent event = ConnectTo("branch.test", parameters);
    EXPECT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit)
        << parameters << event.error.detail() << event.error.message();
  }
}

TEST_F(VerifiedTls, ANameThatIsNotInTheCertificateIsRefused) {
  const BranchEvent event = ConnectTo("other.test", "sslmode=require");
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_NE(event.error.detail().find("does not match host name \"other.test\""), std::string::npos)
      << event.error.detail();
}

TEST_F(VerifiedTls, AnAuthorityThatNobodyTrustsIsRefused) {
  const BranchEvent event = ConnectTo("branch.test", "sslmode=require", 0, false);
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_NE(event.error.detail().find("certificate"), std::string::npos) << event.error.detail();
}

TEST_F(VerifiedTls, AServerWithoutItIsToldNothing) {
  std::mutex mutex;
  std::string heard;
  const FakeServer server([&](int socket) {
    Receive(socket);
    Send(socket, "N");
    const std::string more = Receive(socket);
    std::lock_guard<std::mutex> lock(mutex);
    heard += more;
  });
  const BranchEvent event = ConnectTo("branch.test", "sslmode=disable", server.port());
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_NE(event.error.detail().find("SSL"), std::string::npos) << event.error.detail();
  std::lock_guard<std::mutex> lock(mutex);
  EXPECT_EQ(heard.find("postgres"), std::string::npos);
}

// Files below $HOME and variables of the environment that libpq would heed.
class Surroundings {
 public:
  Surroundings() {
    char home[] = "/tmp/agent_branch_home_XXXXXX";
    home_ = mkdtemp(home);
    mkdir((home_ + "/.postgresql").c_str(), 0700);
    for (const char *file : {"root.crt", "root.crl", "postgresql.crt", "postgresql.key"})
      std::ofstream(home_ + "/.postgresql/" + file) << "no certificate\n";
    std::ofstream(home_ + "/.pgpass") << "*:*:*:*:open sesame\n";
    chmod((home_ + "/.pgpass").c_str(), 0600);
    setenv("HOME", home_.c_str(), 1);
    setenv("PGSERVICE", "nosuch", 1);
    setenv("PGSSLMODE", "verify-full", 1);
    setenv("PGSSLROOTCERT", "/nonexistent", 1);
    setenv("PGREQUIRESSL", "1", 1);
    setenv("PGREQUIREPEER", "nobody", 1);
    setenv("PGOPTIONS", "-c work_mem=77MB", 1);
    setenv("PGTZ", "Asia/Tokyo", 1);
    setenv("PGCHANNELBINDING", "require", 1);
  }
  ~Surroundings() {
    setenv("HOME", "/nonexistent", 1);
    for (const char *file : {"root.crt", "root.crl", "postgresql.crt", "postgresql.key"})
      unlink((home_ + "/.postgresql/" + file).c_str());
    unlink((home_ + "/.pgpass").c_str());
    rmdir((home_ + "/.postgresql").c_str());
    rmdir(home_.c_str());
  }

 private:
  std::string home_;
};

TEST_F(VerifiedTls, TheSurroundingsOfTheProcessChangeNothing) {
  const Surroundings surroundings;
  const std::string check =
      "DO $$ BEGIN IF current_setting('work_mem') = '77MB' OR "
      "current_setting('TimeZone') = 'Asia/Tokyo' THEN RAISE 'told by the environment'; "
      "END IF; END $$";
  for (const char *parameters : {"", "?sslmode=require", "?sslmode=disable"}) {
    LibpqBranchRunner runner(nullptr);
    runner.Start(Migration(1, ServerUri("postgres") + parameters, check));
    const BranchEvent event = NextEvent(&runner);
    EXPECT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit)
        << parameters << event.error.message() << event.error.detail();
  }
  EXPECT_EQ(ConnectTo("branch.test", "sslmode=require").kind, BranchEvent::Kind::kReadyToCommit);
  const BranchEvent without =
      Connect("postgresql://postgres@127.0.0.1:" + std::to_string(ServerPort()) + "/postgres");
  EXPECT_NE(without.error.detail().find("no password supplied"), std::string::npos)
      << without.error.detail();
}

}  // namespace
}  // namespace agent_branch::testing
