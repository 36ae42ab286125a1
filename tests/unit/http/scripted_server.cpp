#include "tests/unit/http/scripted_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace agent_branch {

namespace {

constexpr std::chrono::seconds kPatience{20};

int Listen(int *port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener, reinterpret_cast<sockaddr *>(&address), size) != 0 ||
      listen(listener, 1024) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr *>(&address), &size) != 0)
    abort();
  *port = ntohs(address.sin_port);
  return listener;
}

size_t ContentLength(const std::string &head) {
  const char *found = strcasestr(head.c_str(), "\r\ncontent-length:");
  return found == nullptr ? 0 : strtoul(found + 17, nullptr, 10);
}

bool ReadMore(int socket, std::string &buffer) {
  char bytes[65536];
  const ssize_t count = recv(socket, bytes, sizeof(bytes), 0);
  if (count <= 0) return false;
  buffer.append(bytes, static_cast<size_t>(count));
  return true;
}

}  // namespace

bool ScriptedServer::Connection::Write(std::string_view bytes) {
  while (open_ && !bytes.empty()) {
    const ssize_t count = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0)
      open_ = false;
    else
      bytes.remove_prefix(static_cast<size_t>(count));
  }
  return open_;
}

bool ScriptedServer::Connection::Pause(std::chrono::milliseconds time) {
  std::unique_lock<std::mutex> lock(server_.mutex_);
  if (server_.changed_.wait_for(lock, time, [this] { return server_.stopping_; })) open_ = false;
  return open_;
}

void ScriptedServer::Connection::Reset() {
  const linger at_once{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  open_ = false;
}

ScriptedServer::ScriptedServer(Script script, Greeting greeting)
    : script_(std::move(script)), greeting_(std::move(greeting)), listener_(Listen(&port_)) {
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptedServer::~ScriptedServer() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  CloseConnections();
  for (std::thread &thread : threads_)
    thread.join();
}

std::string ScriptedServer::Url(const std::string &path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<ReceivedRequest> ScriptedServer::requests() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return requests_;
}

int ScriptedServer::connections() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int>(sockets_.size());
}

void ScriptedServer::CloseConnections() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (int socket : sockets_)
    if (socket >= 0) shutdown(socket, SHUT_RDWR);
}

bool ScriptedServer::WaitForRequests(size_t count) const {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return requests_.size() >= count; });
}

void ScriptedServer::Accept() {
  while (true) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    const int number = static_cast<int>(sockets_.size());
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket, number] { Serve(socket, number); });
  }
}

void ScriptedServer::Serve(int socket, int number) {
  Connection connection(*this, socket);
  if (greeting_) greeting_(connection);
  std::string buffer;
  for (int n = 0; connection.open(); ++n) {
    ReceivedRequest request;
    request.connection = number;
    request.number = n;
    if (!ReadRequest(socket, buffer, request)) break;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      requests_.push_back(request);
    }
    changed_.notify_all();
    script_(connection, request);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  sockets_[static_cast<size_t>(number)] = -1;
  close(socket);
}

bool ScriptedServer::ReadRequest(int socket, std::string &buffer, ReceivedRequest &request) {
  size_t end;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos)
    if (!ReadMore(socket, buffer)) return false;
  request.head = buffer.substr(0, end + 4);
  buffer.erase(0, end + 4);
  const size_t length = ContentLength(request.head);
  while (buffer.size() < length)
    if (!ReadMore(socket, buffer)) return false;
  request.body = buffer.substr(0, length);
  buffer.erase(0, length);
  const size_t blank = request.head.find(' ');
  request.method = request.head.substr(0, blank);
  request.path = request.head.substr(blank + 1, request.head.find(' ', blank + 1) - blank - 1);
  return true;
}

std::string Answer(int status, std::string_view body, std::string_view extra) {
  std::string answer = "HTTP/1.1 " + std::to_string(status) + " Something\r\n";
  answer += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return answer.append(extra).append("\r\n").append(body);
}

int UnusedPort() {
  int port = 0;
  close(Listen(&port));
  return port;
}

TlsServer::TlsServer(std::string address) : address_(std::move(address)) {
  char directory[] = "/tmp/agent_branch_tls_XXXXXX";
  if (mkdtemp(directory) == nullptr) return;
  directory_ = directory;
  const std::string command =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
      "subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
      directory_ + "/key.pem -out " + certificate() + " >" + directory_ + "/log 2>&1";
  if (system(command.c_str()) == 0) Start();
}

void TlsServer::Start() {
  int output[2];
  if (pipe(output) != 0) return;
  process_ = fork();
  if (process_ == 0) {
    dup2(output[1], STDOUT_FILENO);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    close(output[0]);
    close(output[1]);
    const std::string key = directory_ + "/key.pem";
    const std::string file = certificate();
    const std::string place = address_ + ":0";
    execlp("openssl", "openssl", "s_server", "-www", "-accept", place.c_str(), "-key", key.c_str(),
           "-cert", file.c_str(), static_cast<char *>(nullptr));
    _exit(127);
  }
  close(output[1]);
  std::string text;
  size_t at = std::string::npos;
  char bytes[256];
  ssize_t count;
  while ((count = read(output[0], bytes, sizeof(bytes))) > 0) {
    text.append(bytes, static_cast<size_t>(count));
    at = text.find("ACCEPT ");
    if (at != std::string::npos && text.find('\n', at) != std::string::npos) break;
  }
  if (at != std::string::npos) port_ = atoi(text.c_str() + text.find(':', at) + 1);
  close(output[0]);
}

TlsServer::~TlsServer() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  for (const char *name : {"/key.pem", "/certificate.pem", "/log"})
    unlink((directory_ + name).c_str());
  rmdir(directory_.c_str());
}

}  // namespace agent_branch
