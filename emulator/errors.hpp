// What ends a request early: a status, Neon's `code` (empty for most errors) and its message.
//
// Handlers throw it; api.cpp turns it into the answer. Nothing else in the emulator throws on
// purpose, and anything else that is thrown is answered with a 500.
#pragma once

#include <string>
#include <utility>

namespace agent_branch::emulator {

struct ApiError {
  ApiError(int status_in, std::string message_in, std::string code_in = "")
      : status(status_in), message(std::move(message_in)), code(std::move(code_in)) {}

  int status;
  std::string message;
  std::string code;
};

}  // namespace agent_branch::emulator
