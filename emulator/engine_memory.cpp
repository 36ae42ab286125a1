#include "emulator/engine_memory.hpp"

namespace agent_branch::emulator {

EndpointAddress MemoryEngine::OpenEndpoint(const std::string &endpoint) {
  constexpr char kProxy[] = ".c-2.us-east-2.aws.neon.tech";
  return {endpoint + kProxy, endpoint + "-pooler" + kProxy};
}

std::string MemoryEngine::Uri(const std::string &role, const std::string &password,
                              const std::string &host, const std::string &database) {
  if (!fixed_uri_.empty()) return fixed_uri_;
  return "postgresql://" + role + ":" + password + "@" + host + "/" + database +
         "?sslmode=require&channel_binding=require";
}

}  // namespace agent_branch::emulator
