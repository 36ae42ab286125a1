// Connection URIs, which the API hands out and libpq is given.
#include <algorithm>

#include "tests/fuzz/require.hpp"
#include "tests/fuzz/targets.hpp"
#include "worker/branch/connection_target.hpp"
#include "worker/core/neon/neon_api.hpp"

namespace agent_branch::fuzz {
namespace {

void RequireTarget(const ConnectionTarget &target) {
  Require(!target.host.empty() && target.host[0] != '/' && target.host[0] != '@' &&
              target.host.find(',') == std::string::npos,
          "a host is none");
  Require(target.port >= 1 && target.port <= 65535, "a port is none");
  Require(!target.user.empty() && !target.database.empty(), "a user or database is missing");
  Require(target.options.empty() || target.options.rfind("endpoint=", 0) == 0,
          "server options are taken over");
  for (const auto &[name, secret] : ParametersFor(target, "127.0.0.1", "/authorities")) {
    const std::string_view keyword = name;
    const std::string_view value = secret.Reveal();
    Require(value.find('\0') == std::string::npos, "a parameter holds a zero byte");
    bool names_file = keyword == "passfile" || keyword == "sslcert" || keyword == "sslkey" ||
                      keyword == "sslcrl" || keyword == "sslrootcert";
    Require(!names_file || value == "/dev/null/none" || value == "/authorities",
            "a URI chooses a file");
    Require(keyword != "sslmode" || value == "verify-full" || IsLoopbackHost(target.host),
            "a URI chooses not to verify");
  }
}

Result<ConnectionTarget> Parse(const Secret &uri) {
  Result<ConnectionTarget> target = ParseConnectionTarget(uri);
  if (target.ok()) {
    RequireTarget(target.value());
    return target;
  }
  const Status &why = target.status();
  RequireTelling(why, "a refused URI");
  // Its texts are fixed, so none can quote a secret.
  Require(why.message() == "invalid connection URI" && why.detail().size() < 50,
          "the refusal of a URI quotes it");
  return target;
}

// Nothing but the host is another one, and that is the one asked for.
void RequirePooled(const Secret &uri, const std::string &host, const std::string &pooler) {
  Secret pooled = WithHost(uri, host, pooler);
  if (pooled.empty()) return;
  std::string_view before = uri.Reveal();
  std::string_view after = pooled.Reveal();
  size_t size = before.size() - host.size() + pooler.size();
  Require(after.size() == size, "more than the host is replaced");
  size_t same = static_cast<size_t>(
      std::mismatch(before.begin(), before.end(), after.begin(), after.end()).first -
      before.begin());
  bool found = false;
  for (size_t at = 0; at <= same && at + host.size() <= before.size() && !found; ++at) {
    found = before.substr(at, host.size()) == host && after.substr(at, pooler.size()) == pooler &&
            before.substr(at + host.size()) == after.substr(at + pooler.size());
  }
  Require(found, "other than the host is replaced");
  Result<ConnectionTarget> direct = Parse(uri);
  Result<ConnectionTarget> through = Parse(pooled);
  // A host that is no host's name may make anything of a URI, and a parameter may name another one.
  constexpr const char *kOfNames = "abcdefghijklmnopqrstuvwxyz0123456789-.";
  bool named = host.find_first_not_of(kOfNames) == std::string::npos &&
               pooler.find_first_not_of(kOfNames) == std::string::npos;
  if (!direct.ok() || !named || before.find('?') != std::string_view::npos) return;
  Require(direct->host == host, "another host is replaced than the one that libpq reads");
  Require(through.ok() && through->host == pooler, "libpq does not read the pooler's host");
  Require(through->port == direct->port && through->user == direct->user &&
              through->password.Reveal() == direct->password.Reveal() &&
              through->database == direct->database && through->options == direct->options &&
              through->ssl_mode == direct->ssl_mode,
          "libpq reads another connection");
}

}  // namespace

void ConnectionUris(std::string_view input) {
  std::string_view rest = input;
  std::string host(TakePart(&rest, "\n"));
  std::string pooler(TakePart(&rest, "\n"));
  Secret uri{std::string(rest)};
  static_cast<void>(Parse(uri));
  RequirePooled(uri, host, pooler);
  for (const std::string &address : KnownAddresses(host))
    Require(IsNumericAddress(address), "an address is none");
}

}  // namespace agent_branch::fuzz
