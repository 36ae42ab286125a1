// Servers that send without an end: what one turn of the loop takes of it, and when it is enough.
#include <dirent.h>
#include <linux/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/ioctl.h>

#include "tests/branch/fake_server.hpp"
#include "tests/branch/test_support.hpp"
#include "worker/branch/socket_relay.hpp"

namespace agent_branch::testing {
namespace {

BranchEvent RunAgainst(const std::string &uri, std::chrono::milliseconds connect_timeout,
                       const RunnerOptions &options = {}) {
  LibpqBranchRunner runner(nullptr, options);
  BranchTask task = Migration(1, uri, "SELECT 1");
  task.connect_timeout = connect_timeout;
  task.statement_timeout = 300ms;
  runner.Start(task);
  return NextEvent(&runner);
}

// Anything well formed that a query may be answered with, without an end.
void Flood(int socket, const std::string &message) {
  Welcome(socket);
  Receive(socket);
  std::string block;
  while (block.size() < 100'000)
    block += message;
  while (Send(socket, block)) {
  }
}

TEST(HostileServer, FloodsHaveAnEnd) {
  RunnerOptions options;
  options.answer_grace = 200ms;
  options.cancel_timeout = 100ms;
  options.longest_message = 1 << 20;
  const std::string row_description =
      Message('T', std::string("\0\1a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0", 22));
  const std::string notification = Message('A', std::string("\0\0\0\1a\0b\0", 8));
  std::string parameters;
  for (int number = 0; number < 20'000; ++number)
    parameters += Message('S', std::to_string(number) + std::string("\0b\0", 3));
  const std::string floods[] = {
      parameters,
      Message('N', std::string("SNOTICE\0VNOTICE\0C00000\0Mx\0\0", 27)),
      Message('S', std::string("a\0b\0", 4)),
      notification,
      Message('C', std::string("SELECT 1\0", 9)),
      row_description + Message('D', std::string("\0\1\0\0\0\1x", 7)),
      Message('G', std::string("\0\0\0", 3)),
      Message('H', std::string("\0\0\0", 3)) + Message('d', "x"),
      Message('W', std::string("\0\0\0", 3)),
      ErrorMessage("ERROR", "XX000", "x"),
      std::string("D\x3f\xff\xff\xff", 5),
      Message('Z', "T"),
  };
  for (const std::string &flood : floods) {
    FakeServer server([&](int socket) { Flood(socket, flood); });
    const BranchEvent event = RunAgainst(server.uri(), 500ms, options);
    EXPECT_NE(event.outcome, BranchOutcome::kDone) << flood.substr(0, 20);
    EXPECT_EQ(event.kind, BranchEvent::Kind::kFinished) << flood.substr(0, 20);
  }
}

TEST(HostileServer, FloodWhileConnectingHasAnEnd) {
  for (const std::string &flood : {Message('S', std::string("a\0b\0", 4)),
                                   Message('N', std::string("SNOTICE\0C00000\0Mx\0\0", 19))}) {
    FakeServer server([&](int socket) {
      Receive(socket);
      Send(socket, Message('R', std::string(4, '\0')));
      while (Send(socket, flood)) {
      }
    });
    EXPECT_EQ(RunAgainst(server.uri(), 500ms).outcome, BranchOutcome::kNotRun);
  }
}

// A connection of a fake server's, in the clear or in TLS with a certificate of its own.
class Wire {
 public:
  Wire(int socket, bool tls) : socket_(socket), tls_(tls) {
    if (!tls) return;
    testing::Receive(socket);  // SSLRequest
    testing::Send(socket, "S");
    key_.reset(EVP_EC_gen("P-256"));
    certificate_.reset(X509_new());
    X509_gmtime_adj(X509_getm_notBefore(certificate_.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate_.get()), 3600);
    X509_set_pubkey(certificate_.get(), key_.get());
    X509_sign(certificate_.get(), key_.get(), EVP_sha256());
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context_.get(), certificate_.get());
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket);
    SSL_accept(ssl_.get());
  }
  void Receive() {
    char bytes[8192];
    if (tls_) {
      SSL_read(ssl_.get(), bytes, sizeof(bytes));
    } else {
      testing::Receive(socket_);
    }
  }
  bool Send(const std::string &bytes) {
    if (!tls_) return testing::Send(socket_, bytes);
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
  }

 private:
  template <auto function>
  struct Freed {
    template <class T>
    void operator()(T *object) const {
      function(object);
    }
  };
  int socket_;
  bool tls_;
  std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> key_;
  std::unique_ptr<X509, Freed<X509_free>> certificate_;
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, Freed<SSL_free>> ssl_;
};

// The socket of this process that is connected to `port`; -1: there is none.
int SocketTo(int port) {
  int found = -1;
  DIR *descriptors = opendir("/proc/self/fd");
  while (const dirent *entry = readdir(descriptors)) {
    const int descriptor = std::atoi(entry->d_name);
    sockaddr_in peer = {};
    socklen_t length = sizeof(peer);
    if (getpeername(descriptor, reinterpret_cast<sockaddr *>(&peer), &length) == 0 &&
        peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) {
      found = descriptor;
    }
  }
  closedir(descriptors);
  return found;
}

struct Traffic {
  uint64_t read = 0;
  uint64_t unread = 0;
};

Traffic TrafficFrom(int port) {
  const int socket = SocketTo(port);
  tcp_info info = {};
  socklen_t length = sizeof(info);
  int unread = 0;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return {};
  if (ioctl(socket, FIONREAD, &unread) != 0) return {};
  const auto waits = static_cast<uint64_t>(unread);
  return {info.tcpi_bytes_received - std::min<uint64_t>(waits, info.tcpi_bytes_received), waits};
}

// Until the flood has filled what the system holds of it: it stays ahead of who reads.
void LetItRise(int port) {
  for (Traffic last, now; now = TrafficFrom(port), now.unread != last.unread; last = now)
    poll(nullptr, 0, 2);
}

// The most bytes that were read between one turn and the next.
uint64_t MostReadInATurn(LibpqBranchRunner *runner, int port) {
  uint64_t most = 0;
  Traffic before;
  RunUntil(runner, [&] {
    const Traffic now = TrafficFrom(port);
    if (now.read > before.read) most = std::max(most, now.read - before.read);
    before = now;
    if (now.read > 1000) LetItRise(port);
    return !runner->TakeEvents().empty();
  });
  return most;
}

struct Announced {
  const char *what;
  bool tls;
  bool while_connecting;
};

class AnnouncedGigabyte : public ::testing::TestWithParam<Announced> {};

// PQconsumeInput() reads on for as long as there is something, once it knows of a long message.
TEST_P(AnnouncedGigabyte, ComesInAPieceATurn) {
  const FakeServer server([](int socket) {
    Wire wire(socket, GetParam().tls);
    wire.Receive();
    const std::string let_in = Message('R', std::string(4, '\0'));
    if (GetParam().while_connecting) {
      wire.Send(let_in);
      wire.Send(std::string("N\x3f\xff\xff\xff", 5));
    } else {
      wire.Send(let_in + Message('Z', "I"));
      wire.Receive();
      wire.Send(Message('T', std::string(2, '\0')) + std::string("D\x3f\xff\xff\xff", 5));
    }
    const std::string block(1 << 20, 'x');
    while (wire.Send(block)) {
    }
  });
  RunnerOptions options;
  options.longest_message = 16 << 20;
  LibpqBranchRunner runner(nullptr, options);
  const std::string mode = GetParam().tls ? "require" : "disable";
  BranchTask task =
      Migration(1, ServerUri("db", "a", "b", server.port()) + "?sslmode=" + mode, "SELECT 1");
  task.connect_timeout = 500ms;
  runner.Start(task);
  const uint64_t most = MostReadInATurn(&runner, server.port());
  EXPECT_GT(most, 8192u) << "there was no flood";
  EXPECT_LE(most, 2 * SocketRelay::kPiece);
}

INSTANTIATE_TEST_SUITE_P(HostileServer, AnnouncedGigabyte,
                         ::testing::Values(Announced{"InTheClear", false, false},
                                           Announced{"InTls", true, false},
                                           Announced{"WhileConnecting", false, true},
                                           Announced{"WhileConnectingInTls", true, true}),
                         [](const auto &info) { return std::string(info.param.what); });

}  // namespace
}  // namespace agent_branch::testing
