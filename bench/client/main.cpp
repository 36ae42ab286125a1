// bench-client MODE OPTION=VALUE...: runs sessions and prints what each took, as JSON.
//
// MODE: ours or floor. Options: those of Options in client.hpp; project and statement may be given
// several times.
#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "bench/client/client.hpp"

namespace bench {

double NowMs() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

std::string ReadFile(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

namespace {

void Set(Options *options, const std::string &key, const std::string &value) {
  if (key == "api_url")
    options->api_url = value;
  else if (key == "api_key_file")
    options->api_key = ReadFile(value);
  else if (key == "control")
    options->control = value;
  else if (key == "project")
    options->projects.push_back(value);
  else if (key == "statement")
    options->statements.push_back(value);
  else if (key == "work")
    options->work = value;
  else if (key == "work_times")
    options->work_times = std::stoi(value);
  else if (key == "merge")
    options->merge = value;
  else if (key == "prefix")
    options->prefix = value;
  else if (key == "sessions")
    options->sessions = std::stoi(value);
  else if (key == "parallel")
    options->parallel = std::stoi(value);
  else if (key == "find_parent")
    options->find_parent = value == "1";
  else if (key == "poll_ms")
    options->poll_ms = std::stoi(value);
  else if (key == "give_up_s")
    options->give_up_s = std::stoi(value);
  else if (key == "attempts")
    options->attempts = std::stoi(value);
  else
    throw std::runtime_error("no option " + key);
}

Options Parse(int argc, char **argv) {
  if (argc < 2) throw std::runtime_error("usage: bench-client ours|floor OPTION=VALUE...");
  Options options;
  options.mode = argv[1];
  for (int n = 2; n < argc; ++n) {
    const std::string word = argv[n];
    const size_t equals = word.find('=');
    if (equals == std::string::npos) throw std::runtime_error("no value: " + word);
    Set(&options, word.substr(0, equals), word.substr(equals + 1));
  }
  if (options.projects.empty()) throw std::runtime_error("no project");
  return options;
}

std::string Quoted(const std::string &text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return quoted + "\"";
}

void Print(const std::vector<Times> &sessions, double makespan) {
  std::printf("{\"makespan_ms\":%.3f,\"sessions\":[", makespan);
  const char *separator = "";
  for (const Times &times : sessions) {
    std::printf("%s{\"ready_ms\":%.3f,\"total_ms\":%.3f,\"calls\":%d,\"refused\":%d,\"error\":%s}",
                separator, times.ready_ms, times.total_ms, times.calls, times.refused,
                Quoted(times.error).c_str());
    separator = ",";
  }
  std::printf("]}\n");
}

void Run(const Options &options) {
  const int parallel = std::min(options.parallel, options.sessions);
  std::vector<std::unique_ptr<Client>> clients;
  for (int n = 0; n < parallel; ++n)
    clients.push_back(options.mode == "ours" ? MakeOurs(options) : MakeFloor(options));
  std::vector<Times> times(static_cast<size_t>(options.sessions));
  std::atomic<int> next = 0;
  const double began = NowMs();
  std::vector<std::thread> threads;
  for (const auto &client : clients) {
    threads.emplace_back([&, client = client.get()] {
      for (int n = next++; n < options.sessions; n = next++) {
        const std::string &project =
            options.projects[static_cast<size_t>(n) % options.projects.size()];
        times[static_cast<size_t>(n)] = client->Run(options.prefix + std::to_string(n), project);
      }
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  Print(times, NowMs() - began);
}

}  // namespace
}  // namespace bench

int main(int argc, char **argv) {
  curl_global_init(CURL_GLOBAL_ALL);
  try {
    bench::Run(bench::Parse(argc, argv));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "bench-client: %s\n", error.what());
    return 1;
  }
  return 0;
}
