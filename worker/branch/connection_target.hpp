// Where a connection goes and as whom: what is taken over from a URI that an API handed out.
//
// Such a URI is only half trusted. libpq lets one name files to be read, services, sockets in the
// file system and server options; none of that is any business of the API's, so the few parameters
// that are needed are taken over one by one and the rest is dropped.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/core/base/secret.hpp"
#include "worker/core/base/status.hpp"

namespace agent_branch {

struct ConnectionTarget {
  std::string host;
  int port = 5432;
  std::string user;
  Secret password;
  std::string database;
  std::string ssl_mode;         // empty: libpq's default
  std::string channel_binding;  // empty: libpq's default
  std::string options;          // empty, or "endpoint=…", for clients that send no SNI
};

// Fails with 08001 and a text that quotes nothing of the URI.
Result<ConnectionTarget> ParseConnectionTarget(const Secret &uri);

// The addresses that need no look-up: a numeric host's own, and the loopback's for "localhost".
std::vector<std::string> KnownAddresses(const std::string &host);
bool IsNumericAddress(const std::string &host);

// Keyword and value, as PQconnectStartParams takes them.
using ConnectionParameters = std::vector<std::pair<std::string, std::string>>;
ConnectionParameters ParametersFor(const ConnectionTarget &target, const std::string &address);

}  // namespace agent_branch
