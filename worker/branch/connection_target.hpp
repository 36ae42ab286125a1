// Where a connection goes and as whom: what is taken over from a URI that an API handed out.
//
// Such a URI is only half trusted. libpq lets one name files to be read, services, sockets in the
// file system and server options; none of that is any business of the API's, so the few parameters
// that are needed are taken over one by one and the rest is dropped. Nor is anything taken from
// libpq's other sources, the environment and the files of the server's user.
//
// Only the loopback is reached without TLS. Everywhere else the certificate and the name in it are
// verified, whatever the URI says, and channel binding is demanded where the URI demands it.
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

// A loopback address, or "localhost", which is never looked up.
bool IsLoopbackHost(const std::string &host);

// The system's certificate authorities, PEM. libpq 15 wants a path.
std::string SystemCaFile();

// Keyword and value, as PQconnectStartParams takes them. ca_file: of the authorities to verify
// with; empty: the system's.
using ConnectionParameters = std::vector<std::pair<const char *, Secret>>;
ConnectionParameters ParametersFor(const ConnectionTarget &target, const std::string &address,
                                   const std::string &ca_file);

// Removes the variables that libpq reads (PGSERVICE, PGOPTIONS, PGSSLMODE …) from the process's
// environment. Before there are threads: getenv() must not run meanwhile.
void ForgetLibpqEnvironment();

}  // namespace agent_branch
