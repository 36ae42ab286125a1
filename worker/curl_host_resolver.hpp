// libcurl's resolver for libpq: names are looked up in the loop that runs the HTTP exchanges.
#pragma once

#include <map>

#include "worker/branch/host_resolver.hpp"
#include "worker/http/client.hpp"

namespace agent_branch {

class CurlHostResolver : public HostResolver {
 public:
  explicit CurlHostResolver(HttpClient *client) : client_(client) {}

  void Resolve(uint64_t id, const std::string &host, int port, Answer answer) override;
  void Forget(uint64_t id) override;
  // Hands out what the client has found; called after its Advance().
  void Deliver();

 private:
  HttpClient *client_;
  std::map<uint64_t, Answer> waiting_;
};

}  // namespace agent_branch
