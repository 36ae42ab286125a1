// What the fixer writes: its calls, the texts that it refused, and what it remembers.
#pragma once

#include <cstdint>
#include <string>

namespace agent_branch {

// One time that a source was asked for a fix.
struct FixCallRow {
  int64_t id = 0;
  int64_t session_id = 0;
  int64_t migration_id = 0;
  int original = 0;     // number of the text that is to be mended
  std::string source;   // memory, function, llm
  std::string model;    // protocol and model, or the function's name
  std::string outcome;  // empty while under way
  std::string reason;
  std::string explanation;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  double cost = 0;
};

// A text that was refused before it was run, or before it was committed.
struct RefusedFixRow {
  int64_t session_id = 0;
  int64_t migration_id = 0;
  int number = 0;
  std::string sql;
  std::string made_by;
  std::string reason;
};

// That a fix worked, or a remembered one did or did not, or was refused and is to be forgotten.
struct FixMemoryRow {
  int64_t id = 0;  // of the remembered one; 0: it is new
  int64_t project_id = 0;
  std::string signature;
  std::string original;
  std::string fix;
  bool worked = true;
  bool refused = false;  // with an id
};

}  // namespace agent_branch
