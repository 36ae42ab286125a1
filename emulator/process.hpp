// Child processes that cannot outlive the emulator.
//
// Every child gets a signal when the thread that forked it ends, so even after SIGKILL nothing is
// left; the forking threads therefore live as long as the emulator does. All functions may be
// called from any thread, and those that wait block.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace agent_branch::emulator {

struct Command {
  std::vector<std::string> arguments;                            // the first is the program's path
  std::vector<std::pair<std::string, std::string>> environment;  // in addition to the emulator's
};

struct ProcessResult {
  int status = -1;  // exit code; 128 + signal; -1: could not start
  std::string output;
  std::string errors;
};

// Runs to the end and captures what it writes.
ProcessResult RunProcess(const Command &command);

// Starts in the background with both outputs appended to `log_path`; returns -1 when it cannot.
pid_t StartProcess(const Command &command, const std::string &log_path, int death_signal);

// True when the child is gone, and then it is reaped.
bool HasEnded(pid_t pid);
bool WaitUntilEnded(pid_t pid, std::chrono::milliseconds deadline);
void SignalProcess(pid_t pid, int signal);  // only while it is our unreaped child

// For the end of the emulator. From BeginShutdown on, nothing starts any more, waiting functions
// give up soon and present children are told to quit. EndProcesses may follow when no other thread
// uses this header: it returns when all children are gone.
void BeginShutdown();
bool ShuttingDown();
void EndProcesses();
void Hurry();  // async-signal-safe: from now on children are killed, not asked

}  // namespace agent_branch::emulator
