// How connections come about and how they fail: retries, passwords, hostile servers.
#include <atomic>

#include "tests/branch/fake_server.hpp"
#include "tests/branch/test_support.hpp"
#include "worker/branch/connection_target.hpp"
#include "worker/branch/dialer.hpp"
#include "worker/branch/server_error.hpp"

namespace agent_branch::testing {
namespace {

BranchEvent RunAgainst(const std::string &uri, std::chrono::milliseconds connect_timeout,
                       RunnerOptions options = {}) {
  LibpqBranchRunner runner(nullptr, options);
  BranchTask task = Migration(1, uri, "SELECT 1");
  task.connect_timeout = connect_timeout;
  task.statement_timeout = 300ms;
  runner.Start(task);
  return NextEvent(&runner);
}

TEST(ConnectionTarget, TakesOverOnlyWhatIsNeeded) {
  const auto target = ParseConnectionTarget(Secret(
      "postgresql://me:pa%20ss@ep-a.neon.tech:5433/db?sslmode=require&channel_binding=require"
      "&options=endpoint%3Dep-a&application_name=x&sslrootcert=/etc/passwd&passfile=/x"));
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->host, "ep-a.neon.tech");
  EXPECT_EQ(target->port, 5433);
  EXPECT_EQ(target->user, "me");
  EXPECT_EQ(target->password.Reveal(), "pa ss");
  EXPECT_EQ(target->database, "db");
  EXPECT_EQ(target->ssl_mode, "require");
  EXPECT_EQ(target->options, "endpoint=ep-a");
  for (const auto &[keyword, secret] : ParametersFor(target.value(), "192.0.2.1", "")) {
    const std::string_view value = secret.Reveal();
    EXPECT_NE(value, "/etc/passwd") << keyword;
    EXPECT_NE(value, "/x") << keyword;
    EXPECT_NE(value, "x") << keyword;
  }
}

TEST(ConnectionTarget, RefusesPathsAndQuotesNothing) {
  for (const char *uri :
       {"postgresql://me:secret@%2Ftmp/db", "postgresql:///db?host=/tmp&user=me&password=secret",
        "postgresql://me:secret@a,b/db", "postgresql://:secret@a/db", "host=a password=secret",
        "postgresql://me:secret@a:99999/db", "postgresql://me:secret@a/db?sslmode=maybe",
        "postgresql://me:secret@@a/db?nothing", "postgresql://me:secret@/db", ""}) {
    const auto target = ParseConnectionTarget(Secret(uri));
    EXPECT_FALSE(target.ok()) << uri;
    EXPECT_EQ((target.status().message() + target.status().detail()).find("secret"),
              std::string::npos);
  }
  const auto options = ParseConnectionTarget(
      Secret("postgresql://me@a/db?options=endpoint%3Da%20-c%20search_path%3Dx"));
  EXPECT_EQ(options->options, "");
}

TEST(ServerErrorText, PlacesAreCountedInCharacters) {
  const auto place = [](const char *text, int position, bool bytes = false) {
    const TextPlace at = PlaceInText(text, position, bytes);
    return std::make_pair(at.line, at.column);
  };
  EXPECT_EQ(place("ab\ncd", 1), std::make_pair(1, 1));
  EXPECT_EQ(place("ab\ncd", 4), std::make_pair(2, 1));
  EXPECT_EQ(place("ab\ncd", 6), std::make_pair(2, 3));
  EXPECT_EQ(place("ab\ncd", 7), std::make_pair(0, 0));
  EXPECT_EQ(place("ab\ncd", -3), std::make_pair(0, 0));
  EXPECT_EQ(place("ä\nöü", 4), std::make_pair(2, 2));
  EXPECT_EQ(place("ä\nöü", 6, true), std::make_pair(2, 2));
  EXPECT_EQ(place("", 1), std::make_pair(1, 1));
}

TEST(ServerErrorText, SecretsAreStruckOut) {
  EXPECT_EQ(Redact("a pw b pwpw", "pw"), "a *** b ******");
  EXPECT_EQ(Redact("nothing", "pw"), "nothing");
  EXPECT_EQ(Redact("nothing", ""), "nothing");
}

TEST(Dialer, TellsTransientFailuresFromFinalOnes) {
  EXPECT_TRUE(IsTransient({"57P03", "the database system is starting up"}));
  EXPECT_TRUE(IsTransient({"", "connection refused"}));
  EXPECT_TRUE(IsTransient({"53300", "sorry, too many clients already"}));
  EXPECT_TRUE(IsTransient({"XX000", "Couldn't connect to compute node"}));
  EXPECT_FALSE(IsTransient({"28P01", "password authentication failed for user \"a\""}));
  EXPECT_FALSE(IsTransient({"XX000", "password authentication failed for user \"a\""}));
  EXPECT_FALSE(IsTransient({"3D000", "database \"a\" does not exist"}));
  EXPECT_FALSE(IsTransient({"", "server does not support SSL, but SSL was required"}));
}

TEST(Connecting, WrongPasswordIsFinalAtOnceAndNotInTheText) {
  const auto before = std::chrono::steady_clock::now();
  const BranchEvent event = RunAgainst(ServerUri("postgres", "postgres", "not-the-password"), 15s);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(event.error.sqlstate(), "28P01");
  EXPECT_NE(event.error.detail().find("password authentication failed"), std::string::npos);
  EXPECT_EQ(event.error.detail().find("not-the-password"), std::string::npos);
  EXPECT_EQ(event.error.detail().find("LOCATION"), std::string::npos);
}

TEST(Connecting, TlsWithChannelBindingWorks) {
  if (!std::getenv("AGENT_BRANCH_TEST_TLS")) GTEST_SKIP() << "the server has no certificate";
  const std::string uri = ServerUri("postgres") + "?sslmode=require&channel_binding=require";
  LibpqBranchRunner runner(nullptr);
  BranchTask task = Migration(
      1, uri,
      "DO $$ BEGIN IF NOT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) THEN "
      "RAISE 'not encrypted'; END IF; END $$; SELECT repeat('x', 10000000)");
  runner.Start(task);
  const BranchEvent event = NextEvent(&runner);
  EXPECT_EQ(event.kind, BranchEvent::Kind::kReadyToCommit) << event.error.detail();
}

TEST(Connecting, MissingDatabaseIsFinalAtOnce) {
  EXPECT_EQ(RunAgainst(ServerUri("there_is_none"), 15s).error.sqlstate(), "3D000");
}

TEST(Connecting, RefusedPortIsTriedAgainUntilTheTimeIsUp) {
  int port = 0;
  {
    port = FakeServer([](int) {}).port();
  }  // nobody listens there any more
  const auto before = std::chrono::steady_clock::now();
  const BranchEvent event = RunAgainst(ServerUri("postgres", "a", "b", port), 600ms);
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_EQ(event.outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(event.error.sqlstate(), "08001");
  EXPECT_GT(took, 300ms);
  EXPECT_LT(took, 2s);
}

TEST(Connecting, StartingServerIsWaitedFor) {
  std::atomic<int> tries{0};
  FakeServer server([&](int socket) {
    Receive(socket);
    if (++tries < 4) {
      Send(socket, ErrorMessage("FATAL", "57P03", "the database system is starting up"));
    } else {
      Send(socket, ErrorMessage("FATAL", "28P01", "password authentication failed hidden-word"));
    }
  });
  const BranchEvent event = RunAgainst(server.uri(), 15s);
  EXPECT_EQ(tries, 4);
  EXPECT_EQ(event.error.sqlstate(), "28P01");
  EXPECT_NE(event.error.detail().find("failed ***"), std::string::npos) << event.error.detail();
}

TEST(HostileServer, SilenceEnds) {
  FakeServer silent([](int socket) { Receive(socket), Receive(socket); });
  RunnerOptions options;
  options.attempt_timeout = 100ms;
  EXPECT_EQ(RunAgainst(silent.uri(), 500ms, options).outcome, BranchOutcome::kNotRun);
  EXPECT_GT(silent.accepted(), 1);
  FakeServer mute([](int socket) { Welcome(socket), Receive(socket), Receive(socket); });
  options.answer_grace = 100ms;
  options.cancel_timeout = 100ms;
  EXPECT_EQ(RunAgainst(mute.uri(), 500ms, options).error.sqlstate(), "57014");
}

TEST(HostileServer, ClosingAtAnyTimeIsNotRun) {
  FakeServer closes([](int) {});
  EXPECT_EQ(RunAgainst(closes.uri(), 300ms).outcome, BranchOutcome::kNotRun);
  FakeServer later([](int socket) { Welcome(socket), Receive(socket); });
  EXPECT_EQ(RunAgainst(later.uri(), 300ms).outcome, BranchOutcome::kNotRun);
}

TEST(HostileServer, GarbageIsNotRun) {
  for (const char *garbage : {"HTTP/1.1 400 Bad Request\r\n\r\n", "\x01\x02\x03\x04\x05\x06\x07",
                              "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE", "R\xff\xff\xff\xff\xff"}) {
    FakeServer early([garbage](int socket) { Receive(socket), Send(socket, garbage); });
    EXPECT_EQ(RunAgainst(early.uri(), 300ms).outcome, BranchOutcome::kNotRun) << garbage;
    FakeServer late(
        [garbage](int socket) { Welcome(socket), Receive(socket), Send(socket, garbage); });
    EXPECT_EQ(RunAgainst(late.uri(), 300ms).outcome, BranchOutcome::kNotRun) << garbage;
  }
}

// Passes bytes on both ways; hangs up on the client in place of the answer to COMMIT.
void ProxyUntilCommit(int client) {
  const int server = ConnectToServer();
  bool commit_sent = false;
  for (;;) {
    pollfd ready[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(ready, 2, -1) < 0) break;
    if (ready[1].revents) {
      const std::string bytes = Receive(server);
      if (bytes.empty() || commit_sent || !Send(client, bytes)) break;
    }
    if (ready[0].revents) {
      const std::string bytes = Receive(client);
      if (bytes.find("*/ COMMIT") != std::string::npos) commit_sent = true;
      if (bytes.empty() || !Send(server, bytes)) break;
    }
  }
  close(server);
}

TEST(LostCommit, IsUnknownAndThenDecided) {
  TestDatabase database;
  FakeServer proxy([](int socket) { ProxyUntilCommit(socket); });
  const std::string uri =
      ServerUri(database.name(), "postgres", "open%20sesame", proxy.port()) + "?sslmode=disable";
  LibpqBranchRunner runner(nullptr);
  runner.Start(Migration(1, uri, "CREATE TABLE a (id int)"));
  const BranchEvent ready = NextEvent(&runner);
  ASSERT_EQ(ready.kind, BranchEvent::Kind::kReadyToCommit) << ready.error.detail();
  runner.Commit(1);
  EXPECT_EQ(NextEvent(&runner).outcome, BranchOutcome::kCommitUnknown);
  BranchTask task = Migration(2, uri, "");
  task.kind = BranchTaskKind::kTransactionStatus;
  task.transaction_id = ready.transaction_id;
  runner.Start(task);
  const BranchEvent fate = NextEvent(&runner);
  EXPECT_EQ(fate.outcome, BranchOutcome::kDone);
  EXPECT_EQ(fate.fate, TransactionFate::kCommitted);
}

TEST(Resolving, NamesAreAskedForAndAddressesAreTriedInTurn) {
  if (!std::getenv("AGENT_BRANCH_TEST_CA")) GTEST_SKIP() << "the server has no certificate";
  FakeResolver resolver;
  RunnerOptions options;
  options.ca_file = std::getenv("AGENT_BRANCH_TEST_CA");
  LibpqBranchRunner runner(&resolver, options);
  const std::string port = std::to_string(ServerPort());
  runner.Start(
      FingerprintTask(1, "postgresql://postgres:open%20sesame@branch.test:" + port + "/postgres"));
  EXPECT_TRUE(RunUntil(&runner, [&] { return !!resolver.pending; }));
  EXPECT_EQ(resolver.asked, "branch.test:" + port);
  resolver.pending(std::vector<std::string>{"not an address", "127.0.0.9", "::1", "127.0.0.1"});
  const BranchEvent event = NextEvent(&runner);
  EXPECT_EQ(event.outcome, BranchOutcome::kDone) << event.error.detail();
  EXPECT_EQ(resolver.forgotten, 0);
}

TEST(Resolving, FailuresAndSilenceEndTheTask) {
  FakeResolver resolver;
  LibpqBranchRunner runner(&resolver);
  runner.Start(FingerprintTask(1, "postgresql://a:b@branch.invalid/c"));
  EXPECT_TRUE(RunUntil(&runner, [&] { return !!resolver.pending; }));
  resolver.pending(Status::Error("08001", "could not resolve host"));
  EXPECT_EQ(NextEvent(&runner).error.detail(), "could not resolve host");
  BranchTask task = FingerprintTask(2, "postgresql://a:b@branch.invalid/c");
  task.connect_timeout = 50ms;
  runner.Start(task);
  EXPECT_EQ(NextEvent(&runner).outcome, BranchOutcome::kNotRun);
  EXPECT_EQ(resolver.forgotten, 1);
}

}  // namespace
}  // namespace agent_branch::testing
