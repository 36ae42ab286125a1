#include "emulator/proxy.hpp"

#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <set>
#include <stdexcept>
#include <vector>

namespace agent_branch::emulator {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using local = asio::local::stream_protocol;
using tcp = asio::ip::tcp;
using std::chrono::steady_clock;

// Below 32768, where the ports of outgoing connections begin: one of those could sit on a port
// between the test and the bind.
constexpr int kFirstPort = 20000;
constexpr int kLastPort = 32000;
constexpr std::chrono::milliseconds kAcceptPause{50};
constexpr const char *kHosts[] = {"127.0.0.1", "127.0.0.2"};

}  // namespace

// One client's connection, and once it is served the one to the cluster.
class Proxy::Link : public std::enable_shared_from_this<Proxy::Link> {
 public:
  explicit Link(tcp::socket client) : client_(std::move(client)), server_(client_.get_executor()) {}

  void OnEnd(std::function<void()> ended) { ended_ = std::move(ended); }

  void Connect(const std::string &socket_path) {
    server_.async_connect(local::endpoint(socket_path),
                          [self = shared_from_this()](error_code error) {
                            if (error) return self->Close();
                            self->Pump(self->client_, self->server_, self->upward_);
                            self->Pump(self->server_, self->client_, self->downward_);
                          });
  }

  void Close() {
    error_code ignored;
    client_.close(ignored);
    server_.close(ignored);
    // Both directions end; the first one tells.
    auto ended = std::move(ended_);
    ended_ = nullptr;
    if (ended) ended();
  }

 private:
  using Buffer = std::array<char, 32768>;

  template <typename From, typename To>
  void Pump(From &from, To &to, Buffer &buffer) {
    from.async_read_some(asio::buffer(buffer), [this, self = shared_from_this(), &from, &to,
                                                &buffer](error_code error, size_t count) {
      if (error) return Close();
      asio::async_write(to, asio::buffer(buffer.data(), count),
                        [this, self, &from, &to, &buffer](error_code write_error, size_t) {
                          if (write_error) return Close();
                          Pump(from, to, buffer);
                        });
    });
  }

  tcp::socket client_;
  local::socket server_;
  std::function<void()> ended_;
  Buffer upward_;
  Buffer downward_;
};

// The port of one endpoint, on both hosts.
class Proxy::Listener : public std::enable_shared_from_this<Proxy::Listener> {
 public:
  enum class Gate { kRefuse, kHold, kServe };

  Listener(Proxy &proxy, asio::io_context &context, std::string endpoint)
      : proxy_(proxy), endpoint_(std::move(endpoint)) {
    for (size_t i = 0; i < std::size(kHosts); ++i)
      acceptors_.emplace_back(context);
  }

  bool Bind(int port) {
    error_code error;
    for (size_t i = 0; i < acceptors_.size() && !error; ++i) {
      tcp::endpoint address(asio::ip::make_address(kHosts[i]), static_cast<uint16_t>(port));
      acceptors_[i].open(address.protocol(), error);
      if (!error) acceptors_[i].set_option(tcp::acceptor::reuse_address(true), error);
      if (!error) acceptors_[i].bind(address, error);
      if (!error) acceptors_[i].listen(128, error);
    }
    if (!error) return true;
    CloseAcceptors();
    return false;
  }

  void Begin() {
    for (tcp::acceptor &acceptor : acceptors_)
      Accept(acceptor);
  }

  void Serve(const std::string &socket_path) {
    gate_ = Gate::kServe;
    socket_path_ = socket_path;
    idle_since_ = steady_clock::now();
    auto waiting = std::move(waiting_);
    waiting_.clear();
    for (const auto &link : waiting)
      link->Connect(socket_path_);
  }

  void SetGate(Gate gate) { gate_ = gate; }

  void Drop() {
    waiting_.clear();
    auto links = links_;
    for (const auto &link : links)
      link->Close();
  }

  void CloseAcceptors() {
    error_code ignored;
    for (tcp::acceptor &acceptor : acceptors_)
      acceptor.close(ignored);
  }

  std::optional<std::chrono::seconds> IdleTime() const {
    if (gate_ != Gate::kServe || !links_.empty()) return std::nullopt;
    return std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - idle_since_);
  }

 private:
  void Accept(tcp::acceptor &acceptor) {
    acceptor.async_accept(
        [self = shared_from_this(), &acceptor](error_code error, tcp::socket socket) {
          if (!acceptor.is_open()) return;
          if (error) {
            return self->proxy_.loop_.After(kAcceptPause, [self, &acceptor] {
              if (acceptor.is_open()) self->Accept(acceptor);
            });
          }
          self->Take(std::move(socket));
          self->Accept(acceptor);
        });
  }

  void Take(tcp::socket socket) {
    if (gate_ == Gate::kRefuse) return;  // the socket's end closes it
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    std::weak_ptr<Listener> weak = shared_from_this();
    auto link = std::make_shared<Link>(std::move(socket));
    std::weak_ptr<Link> weak_link = link;
    link->OnEnd([weak, weak_link] {
      auto listener = weak.lock();
      if (listener) listener->Forget(weak_link.lock());
    });
    links_.insert(link);
    if (gate_ == Gate::kServe) return link->Connect(socket_path_);
    waiting_.push_back(link);
    proxy_.loop_.Post([weak] {
      auto listener = weak.lock();
      if (listener && listener->gate_ == Gate::kHold && !listener->waiting_.empty() &&
          listener->proxy_.on_wake) {
        listener->proxy_.on_wake(listener->endpoint_);
      }
    });
  }

  void Forget(const std::shared_ptr<Link> &link) {
    links_.erase(link);
    if (links_.empty()) idle_since_ = steady_clock::now();
  }

  Proxy &proxy_;
  std::string endpoint_;
  std::vector<tcp::acceptor> acceptors_;
  Gate gate_ = Gate::kRefuse;
  std::string socket_path_;
  std::set<std::shared_ptr<Link>> links_;
  std::vector<std::shared_ptr<Link>> waiting_;
  steady_clock::time_point idle_since_;
};

struct Proxy::Listeners {
  std::map<std::string, std::shared_ptr<Listener>> by_endpoint;
};

Proxy::Proxy(Loop &loop)
    : loop_(loop),
      listeners_(std::make_unique<Listeners>()),
      // Emulators side by side do not all begin at one port.
      next_port_(kFirstPort + getpid() * 37 % (kLastPort - kFirstPort)) {}

Proxy::~Proxy() = default;

std::shared_ptr<Proxy::Listener> Proxy::Find(const std::string &endpoint) {
  auto found = listeners_->by_endpoint.find(endpoint);
  return found == listeners_->by_endpoint.end() ? nullptr : found->second;
}

EndpointAddress Proxy::Open(const std::string &endpoint) {
  auto listener = std::make_shared<Listener>(*this, loop_.context(), endpoint);
  for (int tries = kFirstPort; tries < kLastPort; ++tries) {
    int port = next_port_++;
    if (next_port_ >= kLastPort) next_port_ = kFirstPort;
    if (!listener->Bind(port)) continue;
    listener->Begin();
    listeners_->by_endpoint[endpoint] = listener;
    std::string suffix = ":" + std::to_string(port);
    return {kHosts[0] + suffix, kHosts[1] + suffix};
  }
  throw std::runtime_error("no port is free for an endpoint");
}

void Proxy::Close(const std::string &endpoint) {
  auto listener = Find(endpoint);
  if (!listener) return;
  listener->CloseAcceptors();
  listener->Drop();
  listeners_->by_endpoint.erase(endpoint);
}

void Proxy::Serve(const std::string &endpoint, const std::string &socket_path) {
  if (auto listener = Find(endpoint)) listener->Serve(socket_path);
}

void Proxy::Hold(const std::string &endpoint) {
  if (auto listener = Find(endpoint)) listener->SetGate(Listener::Gate::kHold);
}

void Proxy::Refuse(const std::string &endpoint) {
  auto listener = Find(endpoint);
  if (!listener) return;
  listener->SetGate(Listener::Gate::kRefuse);
  listener->Drop();
}

void Proxy::DropConnections(const std::string &endpoint) {
  if (auto listener = Find(endpoint)) listener->Drop();
}

std::optional<std::chrono::seconds> Proxy::IdleTime(const std::string &endpoint) {
  auto listener = Find(endpoint);
  return listener ? listener->IdleTime() : std::nullopt;
}

}  // namespace agent_branch::emulator
