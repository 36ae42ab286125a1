#include "worker/branch/connection_target.hpp"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <utility>

namespace agent_branch {
namespace {

struct OptionsDeleter {
  void operator()(PQconninfoOption *options) const {
    for (const PQconninfoOption *one = options; one->keyword; ++one) {
      if (one->val) explicit_bzero(one->val, strlen(one->val));
    }
    PQconninfoFree(options);
  }
};
using ConninfoOptions = std::unique_ptr<PQconninfoOption, OptionsDeleter>;

Status Refused(std::string detail) {
  return Status::Error("08001", "invalid connection URI", std::move(detail));
}

bool IsOneOf(std::string_view value, std::initializer_list<std::string_view> allowed) {
  for (std::string_view one : allowed) {
    if (value == one) return true;
  }
  return false;
}

// Neon's own form, for clients without SNI; anything else would be server options.
bool IsEndpointOption(std::string_view value) {
  constexpr std::string_view kPrefix = "endpoint=";
  if (value.size() <= kPrefix.size() || value.substr(0, kPrefix.size()) != kPrefix) return false;
  for (char c : value.substr(kPrefix.size())) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

void TakeOver(std::string_view keyword, const char *value, ConnectionTarget *target,
              std::string *port) {
  if (keyword == "host") target->host = value;
  if (keyword == "port") *port = value;
  if (keyword == "user") target->user = value;
  if (keyword == "password") target->password = Secret(value);
  if (keyword == "dbname") target->database = value;
  if (keyword == "sslmode") target->ssl_mode = value;
  if (keyword == "channel_binding") target->channel_binding = value;
  if (keyword == "options" && IsEndpointOption(value)) target->options = value;
}

Status CheckHost(const std::string &host) {
  if (host.empty()) return Refused("There is no host in it.");
  if (host[0] == '/' || host[0] == '@') return Refused("Its host is a path of a socket.");
  if (host.find(',') != std::string::npos) return Refused("It names more than one host.");
  return {};
}

Status Check(ConnectionTarget *target, const std::string &port) {
  if (Status bad = CheckHost(target->host); !bad.ok()) return bad;
  if (target->user.empty()) return Refused("There is no user in it.");
  if (target->database.empty()) target->database = target->user;
  if (!port.empty()) {
    char *end = nullptr;
    const long number = std::strtol(port.c_str(), &end, 10);
    if (*end != '\0' || number < 1 || number > 65535) return Refused("Its port is not a number.");
    target->port = static_cast<int>(number);
  }
  if (!IsOneOf(target->ssl_mode,
               {"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"})) {
    return Refused("Its sslmode is not known.");
  }
  if (!IsOneOf(target->channel_binding, {"", "disable", "prefer", "require"})) {
    return Refused("Its channel_binding is not known.");
  }
  return {};
}

}  // namespace

Result<ConnectionTarget> ParseConnectionTarget(const Secret &uri) {
  const std::string_view text = uri.Reveal();
  if (text.substr(0, 13) != "postgresql://" && text.substr(0, 11) != "postgres://") {
    return Refused("It does not begin with postgresql://.");
  }
  if (text.find('\0') != std::string_view::npos) return Refused("There is a zero byte in it.");
  char *libpq_error = nullptr;
  // libpq's text is dropped: it quotes parts of the URI.
  const ConninfoOptions options(PQconninfoParse(text.data(), &libpq_error));
  PQfreemem(libpq_error);
  if (!options) return Refused("libpq cannot parse it.");
  ConnectionTarget target;
  std::string port;
  for (const PQconninfoOption *one = options.get(); one->keyword; ++one) {
    if (one->val) TakeOver(one->keyword, one->val, &target, &port);
  }
  if (Status bad = Check(&target, port); !bad.ok()) return bad;
  return target;
}

bool IsNumericAddress(const std::string &host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

std::vector<std::string> KnownAddresses(const std::string &host) {
  if (IsNumericAddress(host)) return {host};
  if (host == "localhost") return {"127.0.0.1"};
  return {};
}

bool IsLoopbackHost(const std::string &host) {
  in_addr v4 = {};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6 = {};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

std::string SystemCaFile() {
  // Debian, Red Hat, SUSE, Alpine: what libcurl's own configure looks for.
  for (const char *path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    if (access(path, R_OK) == 0) return path;
  }
  return "/etc/ssl/certs/ca-certificates.crt";  // libpq's error names it
}

ConnectionParameters ParametersFor(const ConnectionTarget &target, const std::string &address,
                                   const std::string &ca_file) {
  // libpq takes an empty value for one that is not given, and falls back to files below $HOME. A
  // path below a device cannot exist: libpq then does without, in silence.
  constexpr const char *kNoFile = "/dev/null/none";
  // "require" verifies nothing, and Neon hands it out.
  const bool loopback = IsLoopbackHost(target.host);
  const std::string ssl_mode = !loopback                 ? "verify-full"
                               : target.ssl_mode.empty() ? "prefer"
                                                         : target.ssl_mode;
  const bool verifies = ssl_mode.substr(0, 6) == "verify";
  const std::string authorities = ca_file.empty() ? SystemCaFile() : ca_file;
  ConnectionParameters parameters;
  const auto add = [&parameters](const char *keyword, std::string value) {
    parameters.emplace_back(keyword, Secret(std::move(value)));
  };
  add("host", target.host);
  add("hostaddr", address);
  add("port", std::to_string(target.port));
  add("user", target.user);
  parameters.emplace_back("password", target.password);
  add("dbname", target.database);
  add("sslmode", ssl_mode);
  add("sslrootcert", verifies ? authorities : kNoFile);
  add("sslcert", kNoFile);
  add("sslkey", kNoFile);
  add("sslcrl", kNoFile);
  add("sslcompression", "0");
  add("sslsni", "1");
  add("ssl_min_protocol_version", "TLSv1.2");
  add("channel_binding", target.channel_binding.empty() ? "prefer" : target.channel_binding);
  add("options", target.options);
  add("passfile", kNoFile);
  add("application_name", "agent_branch");
  add("client_encoding", "UTF8");
  add("gssencmode", "disable");
  add("target_session_attrs", "any");
  add("replication", "false");
  add("keepalives", "1");
  add("keepalives_idle", "30");
  add("keepalives_interval", "10");
  add("keepalives_count", "3");
  add("tcp_user_timeout", "60000");
  return parameters;
}

void ForgetLibpqEnvironment() {
  // An empty value is "not given", so the rest can only be taken away. libpq itself knows most of
  // the names; these it reads elsewhere.
  for (const char *name : {"PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL",
                           "PGDATESTYLE", "PGTZ", "PGGEQO", "PGLOCALEDIR"})
    unsetenv(name);
  const ConninfoOptions known(PQconndefaults());
  for (const PQconninfoOption *one = known.get(); one && one->keyword; ++one) {
    if (one->envvar) unsetenv(one->envvar);
  }
}

}  // namespace agent_branch
