// The HTTP/1.1 server: connections, keep-alive, and the ways an answer can be made to go wrong.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "emulator/admin.hpp"
#include "emulator/api.hpp"
#include "emulator/loop.hpp"

namespace agent_branch::emulator {

class Server {
 public:
  Server(Loop &loop, Api &api, Admin &admin);
  ~Server();

  // Binds and listens; throws std::runtime_error. Returns the port.
  uint16_t Listen(const std::string &address, uint16_t port);
  void Close();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace agent_branch::emulator
