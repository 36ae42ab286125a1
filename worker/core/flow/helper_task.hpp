// What is done for the core in a process of its own, because it may take long or mean harm: calling
// a project's SQL function, reading a text that nobody has read before, and comparing a fix with
// the text that it mends.
//
// A task is started once and ends with one event, unless it is cancelled. However hostile it is, it
// ends: its statement is cancelled at the timeout, and its process is terminated soon after.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

struct HelperTask {
  enum class Kind { kReadScript, kCallFixFunction, kCheckFix };
  uint64_t id = 0;
  Kind kind = Kind::kReadScript;
  // kReadScript: the migration; kCallFixFunction: the argument, JSON; kCheckFix: the question, as
  // EncodeFixQuestion() writes it.
  std::string text;
  std::string function;   // kCallFixFunction: its name, checked by CheckFunctionName()
  uint32_t role_oid = 0;  // kCallFixFunction: the role that the process logs in as
  std::chrono::milliseconds timeout{10'000};
};

struct HelperEvent {
  enum class Outcome {
    kDone,
    kRejected,  // what was run ended with an error, cancelled at the timeout included
    kLost,      // the process did not start, ended before its answer, or had to be terminated
  };
  uint64_t id = 0;
  Outcome outcome = Outcome::kLost;
  // kDone. kReadScript: for UnpackScript(); kCallFixFunction: the text, empty for none; kCheckFix:
  // for DecodeIntent().
  std::string answer;
  ServerError error;  // unless kDone: says why
};

class HelperRunner {
 public:
  virtual ~HelperRunner() = default;
  // Waits for its turn when as many as may run do.
  virtual void Start(HelperTask task) = 0;
  // No event comes any more; a process that runs is terminated.
  virtual void Cancel(uint64_t id) = 0;
};

}  // namespace agent_branch
