#include "emulator/server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <stdexcept>

#include "emulator/router.hpp"

namespace agent_branch::emulator {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr uint64_t kLongestBody = 1024 * 1024;
constexpr std::chrono::milliseconds kAcceptPause{50};

std::string Text(boost::string_view view) {
  return std::string(view.data(), view.size());
}

// One connection: reads a request, waits for its answer, writes it, reads the next.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Api &api, Admin &admin)
      : socket_(std::move(socket)), api_(api), admin_(admin) {}

  void Read() {
    parser_.emplace();
    parser_->body_limit(kLongestBody);
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, size_t) {
                       if (error == http::error::body_limit) return self->RefuseBody();
                       if (error) return self->Close();
                       self->Dispatch();
                     });
  }

 private:
  Call MakeCall() {
    const auto &request = parser_->get();
    Call call;
    call.method = Text(request.method_string());
    std::string target = Text(request.target());
    size_t question = std::min(target.find('?'), target.size());
    // The path stays encoded here: it is split into segments first and decoded then.
    call.path = target.substr(0, question);
    if (question < target.size()) call.raw_query = target.substr(question + 1);
    call.query = ParseQuery(call.raw_query);
    call.authorization = Text(request[http::field::authorization]);
    call.request_id = Text(request["X-Request-ID"]);
    call.body = request.body();
    keep_alive_ = request.keep_alive();
    return call;
  }

  void Dispatch() {
    Call call = MakeCall();
    if (call.path.compare(0, 7, "/admin/") == 0) {
      return Write({admin_.Handle(call), Delivery::Mode::kWhole});
    }
    const std::string prefix = Api::kPrefix;
    if (call.path.compare(0, prefix.size() + 1, prefix + "/") == 0) {
      return api_.Handle(std::move(call), [self = shared_from_this()](Delivery delivery) {
        self->Write(std::move(delivery));
      });
    }
    Response response;
    response.status = 404;
    response.body = R"({"code":"","message":"this route does not exist"})";
    Write({std::move(response), Delivery::Mode::kWhole});
  }

  void RefuseBody() {
    keep_alive_ = false;
    Response response;
    response.status = 413;
    response.body = R"({"code":"","message":"request body too large"})";
    Write({std::move(response), Delivery::Mode::kWhole});
  }

  void Write(Delivery delivery) {
    if (delivery.mode == Delivery::Mode::kNothing) return Close();
    answer_ = {};
    answer_.version(11);
    answer_.result(static_cast<unsigned>(delivery.response.status));
    answer_.set(http::field::server, "neon-emulator");
    for (const auto &[name, value] : delivery.response.headers)
      answer_.set(name, value);
    if (delivery.response.status != 204) {
      answer_.set(http::field::content_type, delivery.response.content_type);
      answer_.body() = std::move(delivery.response.body);
    }
    answer_.keep_alive(keep_alive_);
    answer_.prepare_payload();
    if (delivery.response.status == 204) answer_.erase(http::field::content_length);
    // Half of it: the header promises the whole body.
    bool half = delivery.mode == Delivery::Mode::kHalf;
    if (half) answer_.body().resize(answer_.body().size() / 2);
    http::async_write(socket_, answer_,
                      [self = shared_from_this(), half](error_code error, size_t) {
                        if (error || half || !self->keep_alive_) return self->Close();
                        self->Read();
                      });
  }

  void Close() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

  tcp::socket socket_;
  Api &api_;
  Admin &admin_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> answer_;
  bool keep_alive_ = true;
};

}  // namespace

class Server::Implementation {
 public:
  Implementation(Loop &loop, Api &api, Admin &admin)
      : loop_(loop), acceptor_(loop.context()), api_(api), admin_(admin) {}

  uint16_t Bind(const std::string &address, uint16_t port) {
    error_code error;
    tcp::endpoint endpoint(asio::ip::make_address(address, error), port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (error) {
      throw std::runtime_error("cannot listen on " + address + ":" + std::to_string(port) + ": " +
                               error.message());
    }
    return acceptor_.local_endpoint().port();
  }

  void Listen() {
    acceptor_.listen(1024);
    Accept();
  }

  void Close() {
    error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      // Out of descriptors, most likely: trying again at once would only burn time.
      if (error) return loop_.After(kAcceptPause, [this] { Accept(); });
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Session>(std::move(socket), api_, admin_)->Read();
      Accept();
    });
  }

  Loop &loop_;
  tcp::acceptor acceptor_;
  Api &api_;
  Admin &admin_;
};

Server::Server(Loop &loop, Api &api, Admin &admin)
    : implementation_(std::make_unique<Implementation>(loop, api, admin)) {}

Server::~Server() = default;

uint16_t Server::Bind(const std::string &address, uint16_t port) {
  return implementation_->Bind(address, port);
}

void Server::Listen() {
  implementation_->Listen();
}

void Server::Close() {
  implementation_->Close();
}

}  // namespace agent_branch::emulator
