// The HTTP server: the page, the part of it that changes, and a stream of server-sent events.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>

#include "fleet/options.hpp"
#include "fleet/reader.hpp"

namespace agent_branch::fleet {

class Server {
 public:
  Server(boost::asio::io_context &context, const Options &options);
  ~Server();

  // Takes the port and returns it; throws std::runtime_error.
  uint16_t Listen();
  // What was read; called in the context's thread.
  void Show(Snapshot snapshot);
  // Who reads; before the context runs.
  void ReadWith(Reader *reader);

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace agent_branch::fleet
