#include "worker/branch/connection_target.hpp"

#include <arpa/inet.h>
#include <libpq-fe.h>

#include <cstdlib>
#include <memory>

namespace agent_branch {
namespace {

struct OptionsDeleter {
  void operator()(PQconninfoOption *options) const { PQconninfoFree(options); }
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

void TakeOver(std::string_view keyword, const std::string &value, ConnectionTarget *target,
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

// libpq 16 and later can refuse methods of authentication; 15 does not know the parameter.
bool LibpqKnows(std::string_view keyword) {
  const ConninfoOptions defaults(PQconndefaults());
  for (const PQconninfoOption *one = defaults.get(); one && one->keyword; ++one) {
    if (keyword == one->keyword) return true;
  }
  return false;
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
  const ConninfoOptions options(PQconninfoParse(std::string(text).c_str(), &libpq_error));
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

ConnectionParameters ParametersFor(const ConnectionTarget &target, const std::string &address) {
  // libpq takes an empty value for one that is not given, and falls back to files below $HOME. A
  // path below a device cannot exist: libpq then does without, in silence.
  constexpr const char *kNoFile = "/dev/null/none";
  ConnectionParameters parameters = {
      {"host", target.host},
      {"hostaddr", address},
      {"port", std::to_string(target.port)},
      {"user", target.user},
      {"password", std::string(target.password.Reveal())},
      {"dbname", target.database},
      {"sslmode", target.ssl_mode},
      {"channel_binding", target.channel_binding},
      {"options", target.options},
      {"passfile", kNoFile},
      {"sslcert", kNoFile},
      {"application_name", "agent_branch"},
      {"client_encoding", "UTF8"},
      {"gssencmode", "disable"},
      {"target_session_attrs", "any"},
      {"keepalives", "1"},
      {"keepalives_idle", "30"},
      {"keepalives_interval", "10"},
      {"keepalives_count", "3"},
  };
  // Kerberos talks to other hosts, and waits for them.
  if (LibpqKnows("require_auth")) parameters.emplace_back("require_auth", "!gss,!sspi");
  return parameters;
}

}  // namespace agent_branch
