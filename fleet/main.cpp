// agent-branch-fleet: a page that shows what agent_branch does in a control database.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <exception>

#include "fleet/options.hpp"
#include "fleet/reader.hpp"
#include "fleet/server.hpp"

namespace agent_branch::fleet {
namespace {

int Run(const Options &options) {
  boost::asio::io_context context(1);
  boost::asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&context](const boost::system::error_code &, int) { context.stop(); });
  std::signal(SIGPIPE, SIG_IGN);
  Server server(context, options);
  const uint16_t port = server.Listen();
  Reader reader(options.database, [&](Snapshot snapshot) {
    boost::asio::post(context, [&server, snapshot = std::move(snapshot)]() mutable {
      server.Show(std::move(snapshot));
    });
  });
  server.ReadWith(&reader);
  const bool six = options.address.find(':') != std::string::npos;
  std::printf("agent-branch-fleet: http://%s%s%s:%u/\n", six ? "[" : "", options.address.c_str(),
              six ? "]" : "", port);
  std::fflush(stdout);
  if (!IsLoopback(options.address)) {
    std::fprintf(
        stderr, "agent-branch-fleet: whoever reaches %s sees the page; nobody is asked who he is\n",
        options.address.c_str());
  }
  context.run();
  return 0;
}

int Main(int argc, char **argv) {
  std::string error;
  const std::optional<Options> options = ParseOptions(argc, argv, &error);
  if (!options) {
    std::fprintf(stderr, "agent-branch-fleet: %s\n%s", error.c_str(), Usage());
    return 2;
  }
  if (options->help) {
    std::fputs(Usage(), stdout);
    return 0;
  }
  if (options->version) {
    std::puts("agent-branch-fleet " AGENT_BRANCH_VERSION);
    return 0;
  }
  try {
    return Run(*options);
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "agent-branch-fleet: %s\n", failure.what());
    return 1;
  }
}

}  // namespace
}  // namespace agent_branch::fleet

int main(int argc, char **argv) {
  return agent_branch::fleet::Main(argc, argv);
}
