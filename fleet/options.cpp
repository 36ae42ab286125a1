#include "fleet/options.hpp"

#include <boost/asio/ip/address.hpp>
#include <charconv>

namespace agent_branch::fleet {
namespace {

bool ParseListen(const std::string &text, Options *options) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  std::string address = text.substr(0, colon);
  if (address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  boost::system::error_code error;
  boost::asio::ip::make_address(address, error);
  if (error) return false;
  const char *end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data() + colon + 1, end, options->port);
  if (failed != std::errc() || rest != end) return false;
  options->address = address;
  return true;
}

}  // namespace

const char *Usage() {
  return "usage: agent-branch-fleet [OPTION]... [DATABASE]\n"
         "Shows what agent_branch does, as a page for people to watch. Reads only.\n\n"
         "  DATABASE               libpq connection string of the control database; the role "
         "needs\n"
         "                         level monitor: SELECT agent_branch_grant('role', 'monitor')\n"
         "  --listen ADDRESS:PORT  127.0.0.1:4020; port 0 chooses a free one. Whoever reaches it "
         "sees\n"
         "                         the page: beyond loopback put a proxy that asks who it is "
         "before it\n"
         "  --host NAME            a name under which the page is reached, beside loopback's; may "
         "be\n"
         "                         repeated\n"
         "  --help, --version\n";
}

bool IsLoopback(const std::string &address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(address, error);
  return !error && parsed.is_loopback();
}

std::optional<Options> ParseOptions(int argc, char **argv, std::string *error) {
  Options options;
  for (int n = 1; n < argc; ++n) {
    const std::string word = argv[n];
    if (word == "--help") {
      options.help = true;
    } else if (word == "--version") {
      options.version = true;
    } else if ((word == "--listen" || word == "--host") && n + 1 == argc) {
      *error = word + " needs a value";
      return std::nullopt;
    } else if (word == "--listen") {
      if (!ParseListen(argv[++n], &options)) {
        *error = std::string("not an address and a port: ") + argv[n];
        return std::nullopt;
      }
    } else if (word == "--host") {
      options.hosts.emplace_back(argv[++n]);
    } else if (word.rfind("--", 0) == 0 || !options.database.empty()) {
      *error = "unexpected " + word;
      return std::nullopt;
    } else {
      options.database = word;
    }
  }
  return options;
}

}  // namespace agent_branch::fleet
