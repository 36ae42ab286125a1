// The endpoints' addresses: a TCP port each, whose connections go to a cluster's Unix socket.
//
// The address outlives the cluster behind it, so it stays the same over suspend, restore and
// restart. The direct host is 127.0.0.1; the pooler's is 127.0.0.2 with the same port. Nothing is
// pooled: bytes pass as they are.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "emulator/engine.hpp"
#include "emulator/loop.hpp"

namespace agent_branch::emulator {

class Proxy {
 public:
  explicit Proxy(Loop &loop);
  ~Proxy();

  // Throws std::runtime_error when no port is free.
  EndpointAddress Open(const std::string &endpoint);
  void Close(const std::string &endpoint);
  void Serve(const std::string &endpoint, const std::string &socket_path);
  void Hold(const std::string &endpoint);  // connections wait for Serve; each calls on_wake
  void Refuse(const std::string &endpoint);
  void DropConnections(const std::string &endpoint);
  std::optional<std::chrono::seconds> IdleTime(const std::string &endpoint);

  std::function<void(const std::string &endpoint)> on_wake;

 private:
  class Listener;
  class Link;
  std::shared_ptr<Listener> Find(const std::string &endpoint);

  struct Listeners;
  Loop &loop_;
  std::unique_ptr<Listeners> listeners_;
  int next_port_;
};

}  // namespace agent_branch::emulator
