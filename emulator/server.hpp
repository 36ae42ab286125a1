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

  // Takes the port and returns it; throws std::runtime_error. Clients are refused until Listen().
  uint16_t Bind(const std::string &address, uint16_t port);
  void Listen();
  void Close();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace agent_branch::emulator
