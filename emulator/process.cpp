#include "emulator/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <set>
#include <thread>

extern char **environ;

namespace agent_branch::emulator {
namespace {

constexpr std::chrono::milliseconds kPoll{2};
constexpr std::chrono::seconds kQuitTime{8};

std::mutex children_mutex;
std::set<pid_t> children;  // forked and not yet reaped
std::atomic<bool> shutting_down{false};
std::atomic<bool> hurrying{false};

// Between fork and exec only async-signal-safe calls are allowed: the other threads' locks are
// frozen in whatever state they were.
struct Prepared {
  std::vector<char *> arguments;
  std::vector<std::string> environment_texts;
  std::vector<char *> environment;
  int output = -1;
  int errors = -1;
  int death_signal = SIGKILL;
  pid_t parent = 0;
};

Prepared Prepare(const Command &command) {
  Prepared prepared;
  for (const std::string &argument : command.arguments) {
    prepared.arguments.push_back(const_cast<char *>(argument.c_str()));
  }
  prepared.arguments.push_back(nullptr);
  for (const auto &[name, value] : command.environment) {
    prepared.environment_texts.push_back(name + "=" + value);
  }
  for (std::string &text : prepared.environment_texts)
    prepared.environment.push_back(text.data());
  for (char **entry = environ; *entry != nullptr; ++entry)
    prepared.environment.push_back(*entry);
  prepared.environment.push_back(nullptr);
  prepared.parent = getpid();
  return prepared;
}

[[noreturn]] void BecomeChild(const Prepared &prepared) {
  // A session of its own: Ctrl-C in the terminal is for the emulator, which then ends its children.
  setsid();
  prctl(PR_SET_PDEATHSIG, prepared.death_signal);
  if (getppid() != prepared.parent) _exit(127);
  for (int signal : {SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGCHLD, SIGHUP}) {
    ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(prepared.output, 1);
  dup2(prepared.errors, 2);
  // Asio's sockets are not close-on-exec: a cluster must hold neither a port nor a client.
  close_range(3, ~0U, 0);
  execve(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
  _exit(127);
}

pid_t Fork(const Prepared &prepared) {
  std::lock_guard<std::mutex> lock(children_mutex);
  if (shutting_down) return -1;
  pid_t pid = fork();
  if (pid == 0) BecomeChild(prepared);
  if (pid > 0) children.insert(pid);
  return pid;
}

int Reap(pid_t pid, int flags, bool *ended) {
  int status = 0;
  pid_t result;
  do
    result = waitpid(pid, &status, flags);
  while (result < 0 && errno == EINTR);
  *ended = result != 0;
  if (*ended) {
    std::lock_guard<std::mutex> lock(children_mutex);
    children.erase(pid);
  }
  if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
  return WEXITSTATUS(status);
}

void ReadBoth(int output, int errors, ProcessResult *result) {
  pollfd files[2] = {{output, POLLIN, 0}, {errors, POLLIN, 0}};
  std::string *texts[2] = {&result->output, &result->errors};
  char buffer[16384];
  while (files[0].fd >= 0 || files[1].fd >= 0) {
    if (poll(files, 2, -1) < 0 && errno != EINTR) return;
    for (int i = 0; i < 2; ++i) {
      if (files[i].fd < 0 || files[i].revents == 0) continue;
      ssize_t count = read(files[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        texts[i]->append(buffer, count);
      } else if (count == 0 || errno != EINTR) {
        files[i].fd = -1;
      }
    }
  }
}

}  // namespace

ProcessResult RunProcess(const Command &command) {
  ProcessResult result;
  int output[2], errors[2];
  if (pipe2(output, O_CLOEXEC) != 0) return result;
  if (pipe2(errors, O_CLOEXEC) != 0) {
    close(output[0]);
    close(output[1]);
    return result;
  }
  Prepared prepared = Prepare(command);
  prepared.output = output[1];
  prepared.errors = errors[1];
  pid_t pid = Fork(prepared);
  close(output[1]);
  close(errors[1]);
  if (pid > 0) {
    ReadBoth(output[0], errors[0], &result);
    bool ended = false;
    result.status = Reap(pid, 0, &ended);
  }
  close(output[0]);
  close(errors[0]);
  return result;
}

pid_t StartProcess(const Command &command, const std::string &log_path, int death_signal) {
  int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return -1;
  Prepared prepared = Prepare(command);
  prepared.output = prepared.errors = log;
  prepared.death_signal = death_signal;
  pid_t pid = Fork(prepared);
  close(log);
  return pid;
}

bool HasEnded(pid_t pid) {
  bool ended = false;
  Reap(pid, WNOHANG, &ended);
  return ended;
}

bool WaitUntilEnded(pid_t pid, std::chrono::milliseconds deadline) {
  auto end = std::chrono::steady_clock::now() + deadline;
  while (!HasEnded(pid)) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

void SignalProcess(pid_t pid, int signal) {
  std::lock_guard<std::mutex> lock(children_mutex);
  if (children.count(pid) > 0) kill(pid, signal);
}

void BeginShutdown() {
  std::lock_guard<std::mutex> lock(children_mutex);
  shutting_down = true;
  for (pid_t pid : children)
    kill(pid, SIGQUIT);
}

bool ShuttingDown() {
  return shutting_down;
}

void EndProcesses() {
  auto end = std::chrono::steady_clock::now() + kQuitTime;
  std::set<pid_t> left = children;
  for (pid_t pid : left)
    kill(pid, SIGQUIT);
  bool killed = false;
  while (!left.empty()) {
    if (!killed && (hurrying || std::chrono::steady_clock::now() > end)) {
      for (pid_t pid : left)
        kill(pid, SIGKILL);
      killed = true;
    }
    for (auto at = left.begin(); at != left.end();)
      at = HasEnded(*at) ? left.erase(at) : ++at;
    if (!left.empty()) std::this_thread::sleep_for(kPoll);
  }
}

void Hurry() {
  hurrying = true;
}

}  // namespace agent_branch::emulator
