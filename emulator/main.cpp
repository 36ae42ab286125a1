#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>

#include "emulator/engine_memory.hpp"
#include "emulator/engine_postgres.hpp"
#include "emulator/process.hpp"
#include "emulator/server.hpp"
#include "emulator/try_out.hpp"

namespace agent_branch::emulator {
namespace {

constexpr char kVersion[] = "1.0";
constexpr int kUsageError = 2;

constexpr int kThreads = 8;  // for copies, starts and stops: they wait for disks and children

std::unique_ptr<Engine> MakeEngine(const Options &options, Loop &loop) {
  if (!options.postgres) return std::make_unique<MemoryEngine>(options.fixed_uri);
  std::string binaries = options.postgres_binaries;
  if (binaries.empty()) binaries = EMULATOR_PG_BINDIR;
  Identifiers random(std::random_device{}());
  return std::make_unique<PostgresEngine>(loop, options.data_directory, binaries,
                                          random.Password());
}

// Two listening sockets an endpoint and two a connection: the usual 1,024 do not last.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void PrintReady(const Options &options, uint16_t port) {
  std::string host = options.listen_address;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  const std::string url = "http://" + host + ":" + std::to_string(port) + Api::kPrefix;
  std::printf("neon-emulator: ready on %s\n", url.c_str());
  if (options.try_out)
    std::printf("In postgresql.conf, then restart the server:\n%s",
                TryOutSettings(options, url).c_str());
  std::fflush(stdout);
}

// Serves until a signal comes; the exit status.
int Serve(Options &options, Loop &loop, Engine &engine, std::vector<ApiKey> keys) {
  boost::asio::signal_set signals(loop.context(), SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code &error, int) {
    if (!error) loop.Stop();
  });
  Service service(options, loop, engine, options.seed.value_or(std::random_device()()));
  Api api(service, std::move(keys));
  Admin admin(service, api);
  Server server(loop, api, admin);
  // A port in use is told before clusters are made.
  uint16_t port = server.Bind(options.listen_address, options.listen_port);
  int status = 0;
  service.Boot([&](const std::string &error) {
    if (error.empty()) {
      server.Listen();
      return PrintReady(options, port);
    }
    std::fprintf(stderr, "neon-emulator: %s\n", error.c_str());
    status = 1;
    loop.Stop();
  });
  if (status == 0) loop.Run();
  signals.cancel();
  signals.clear();
  for (int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int) { Hurry(); });
  return status;
}

int Run(Options options) {
  if (options.try_out) PrepareTryOut(&options);
  std::vector<ApiKey> keys = ReadApiKeys(options.api_key_file);
  RaiseDescriptorLimit();
  Loop loop(kThreads);
  std::unique_ptr<Engine> engine = MakeEngine(options, loop);
  int status = 1;
  try {
    status = Serve(options, loop, *engine, std::move(keys));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "neon-emulator: %s\n", error.what());
  }
  engine->Shutdown();
  return status;
}

int Main(int count, char **arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  Options options;
  try {
    options = ParseOptions(count, arguments);
  } catch (const std::runtime_error &error) {
    std::fprintf(stderr, "neon-emulator: %s\nTry neon-emulator --help.\n", error.what());
    return kUsageError;
  }
  if (options.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (options.version) {
    std::printf("neon-emulator %s\n", kVersion);
    return 0;
  }
  try {
    return Run(std::move(options));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "neon-emulator: %s\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace agent_branch::emulator

int main(int count, char **arguments) {
  return agent_branch::emulator::Main(count, arguments);
}
