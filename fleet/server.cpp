#include "fleet/server.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <list>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include "fleet/page.hpp"

namespace agent_branch::fleet {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kMostConnections = 200;
constexpr std::chrono::seconds kRequestTime{20};
constexpr std::chrono::seconds kBetweenBeats{15};

// Of a page's own script and style, so that nothing else in it can be one.
std::string MakeNonce() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1) throw std::runtime_error("no random bytes");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

class Server::Implementation : public std::enable_shared_from_this<Server::Implementation> {
 public:
  class Connection;

  Implementation(asio::io_context &context, const Options &options)
      : context_(context), acceptor_(context), options_(options) {}

  uint16_t Listen() {
    error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(options_.address, error), options_.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(64, error);
    if (error) {
      throw std::runtime_error("cannot listen on " + options_.address + ":" +
                               std::to_string(options_.port) + ": " + error.message());
    }
    Accept();
    return acceptor_.local_endpoint().port();
  }

  void Accept();
  void Show(Snapshot snapshot);
  // A page of another origin must not read this one by a name that it points here.
  bool IsOurHost(std::string host) const {
    const size_t colon = host.rfind(':');
    if (colon != std::string::npos && host.find(']', colon) == std::string::npos)
      host.resize(colon);
    if (host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host == options_.address)
      return true;
    return std::find(options_.hosts.begin(), options_.hosts.end(), host) != options_.hosts.end();
  }

  // The connection is answered when the next look is done.
  void AnswerAfterLook(std::shared_ptr<Connection> connection) {
    waiting_.push_back(std::move(connection));
    reader->Refresh();
  }
  void AddWatcher(std::shared_ptr<Connection> connection) {
    watchers_.insert(std::move(connection));
    reader->SetWatchers(static_cast<int>(watchers_.size()));
    reader->Refresh();
  }
  void RemoveWatcher(const std::shared_ptr<Connection> &connection) {
    watchers_.erase(connection);
    reader->SetWatchers(static_cast<int>(watchers_.size()));
  }

  Reader *reader = nullptr;
  size_t connections = 0;
  const Snapshot &snapshot() const { return snapshot_; }

 private:
  asio::io_context &context_;
  tcp::acceptor acceptor_;
  const Options options_;
  Snapshot snapshot_;
  std::vector<std::shared_ptr<Connection>> waiting_;
  std::set<std::shared_ptr<Connection>> watchers_;
};

// One request, or a stream of events.
class Server::Implementation::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::shared_ptr<Implementation> server)
      : stream_(std::move(socket)), beat_(stream_.get_executor()), server_(std::move(server)) {
    ++server_->connections;
  }
  ~Connection() { --server_->connections; }

  void Read() {
    parser_.emplace();
    parser_->body_limit(0);
    parser_->header_limit(16 * 1024);
    stream_.expires_after(kRequestTime);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, size_t) {
                       if (error) return self->Close();
                       self->Dispatch();
                     });
  }

  void Answer() {
    const bool whole = target_ == "/";
    const std::string nonce = MakeNonce();
    answer_ = {};
    answer_.set(http::field::content_type, "text/html; charset=utf-8");
    answer_.set("Content-Security-Policy",
                "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; "
                "form-action 'none'; "
                "frame-ancestors 'none'; style-src 'nonce-" +
                    nonce + "'; script-src 'nonce-" + nonce + "'");
    answer_.body() =
        whole ? RenderPage(server_->snapshot(), nonce) : RenderState(server_->snapshot());
    Write(http::status::ok);
  }

  // To a watcher that still has the last one to read, one is enough.
  void Tell(const std::string &event) {
    if (writes_) {
      pending_ = event;
      return;
    }
    writes_ = true;
    event_ = event;
    stream_.expires_after(kRequestTime);
    asio::async_write(stream_, asio::buffer(event_),
                      [self = shared_from_this()](error_code error, size_t) {
                        self->writes_ = false;
                        if (error) return self->Close();
                        if (self->pending_.empty()) return;
                        std::string next;
                        next.swap(self->pending_);
                        self->Tell(next);
                      });
  }

 private:
  void Dispatch() {
    const auto &request = parser_->get();
    target_.assign(request.target().data(), request.target().size());
    target_.resize(std::min(target_.find('?'), target_.size()));
    head_ = request.method() == http::verb::head;
    keep_alive_ = request.keep_alive();
    const auto host = request[http::field::host];
    if (!server_->IsOurHost(std::string(host.data(), host.size()))) {
      return Refuse(http::status::misdirected_request,
                    "This name is not one of this server's: see --host.\n");
    }
    if (!head_ && request.method() != http::verb::get) {
      return Refuse(http::status::method_not_allowed, "Nothing can be changed here.\n");
    }
    if (target_ == "/events" && !head_) return Stream();
    if (target_ != "/" && target_ != "/state")
      return Refuse(http::status::not_found, "There is only /.\n");
    stream_.expires_after(kRequestTime);
    server_->AnswerAfterLook(shared_from_this());
  }

  void Refuse(http::status status, const char *why) {
    answer_ = {};
    answer_.set(http::field::content_type, "text/plain; charset=utf-8");
    answer_.body() = why;
    Write(status);
  }

  void Write(http::status status) {
    answer_.version(11);
    answer_.result(status);
    answer_.set(http::field::server, "agent-branch-fleet");
    answer_.set(http::field::cache_control, "no-store");
    answer_.set("X-Content-Type-Options", "nosniff");
    answer_.set("Referrer-Policy", "no-referrer");
    answer_.set("Cross-Origin-Resource-Policy", "same-origin");
    answer_.keep_alive(keep_alive_);
    answer_.prepare_payload();
    if (head_) answer_.body().clear();
    stream_.expires_after(kRequestTime);
    http::async_write(stream_, answer_, [self = shared_from_this()](error_code error, size_t) {
      if (error || !self->keep_alive_ || self->head_) return self->Close();
      self->Read();
    });
  }

  void Stream() {
    watches_ = true;
    server_->AddWatcher(shared_from_this());
    Tell(
        "HTTP/1.1 200 OK\r\nServer: agent-branch-fleet\r\nContent-Type: text/event-stream\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: "
        "close\r\n\r\nretry: 1000\n\n");
    Beat();
    // Whoever goes away is noticed at once.
    stream_.socket().async_wait(tcp::socket::wait_read,
                                [self = shared_from_this()](error_code) { self->Close(); });
  }

  void Beat() {
    beat_.expires_after(kBetweenBeats);
    beat_.async_wait([self = shared_from_this()](error_code error) {
      if (error || !self->watches_) return;
      self->Tell(": still here\n\n");
      self->Beat();
    });
  }

  void Close() {
    if (watches_) {
      watches_ = false;
      beat_.cancel();
      server_->RemoveWatcher(shared_from_this());
    }
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
  }

  beast::tcp_stream stream_;
  asio::steady_timer beat_;
  std::shared_ptr<Implementation> server_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> answer_;
  std::string target_;
  std::string event_;
  std::string pending_;
  bool head_ = false;
  bool keep_alive_ = true;
  bool watches_ = false;
  bool writes_ = false;
};

void Server::Implementation::Accept() {
  acceptor_.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
    if (!self->acceptor_.is_open()) return;
    if (!error && self->connections < kMostConnections) {
      std::make_shared<Connection>(std::move(socket), self)->Read();
    }
    self->Accept();
  });
}

void Server::Implementation::Show(Snapshot snapshot) {
  // What was read before stays on the page, with the reason why there is nothing newer.
  if (snapshot.json.empty()) snapshot.json = std::move(snapshot_.json);
  snapshot_ = std::move(snapshot);
  std::vector<std::shared_ptr<Connection>> waiting;
  waiting.swap(waiting_);
  for (const auto &connection : waiting)
    connection->Answer();
  // A watcher asks for the state, which makes a look of its own: that one is no news to tell.
  if (!waiting.empty()) return;
  const auto watchers = watchers_;
  for (const auto &connection : watchers)
    connection->Tell("event: changed\ndata: " + std::to_string(snapshot_.version) + "\n\n");
}

Server::Server(asio::io_context &context, const Options &options)
    : implementation_(std::make_shared<Implementation>(context, options)) {}

Server::~Server() = default;

uint16_t Server::Listen() {
  return implementation_->Listen();
}

void Server::Show(Snapshot snapshot) {
  implementation_->Show(std::move(snapshot));
}

void Server::ReadWith(Reader *reader) {
  implementation_->reader = reader;
}

}  // namespace agent_branch::fleet
