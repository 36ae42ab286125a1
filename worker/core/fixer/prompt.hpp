// What a model is told: our instructions, and the material, each piece fenced in.
//
// The material is what others wrote: the agent's SQL, names and comments in its schema, values in
// error texts, the model's own earlier answers. All of it is data. It is cleaned of control
// characters, bounded, and put between two lines with a mark that does not occur in it, so that no
// text can close its own fence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

struct EarlierAttempt {
  std::string made_by;
  std::string sql;
  std::string reason;  // why it was refused or how it failed
};

struct PromptMaterial {
  std::string sql;    // of the migration as the agent wrote it
  ServerError error;  // how it failed
  std::string schema;
  std::string hints;                            // the project's conventions
  std::vector<std::string> earlier_migrations;  // of the session, the oldest first
  std::vector<EarlierAttempt> attempts;         // to mend this one, the oldest first
};

// A migration longer than this is not sent: its correction would not fit into an answer.
constexpr size_t kMaxFixableBytes = 64 * 1024;

const std::string &FixInstructions();
std::string FixMaterial(const PromptMaterial &material);

// Fences one piece: a line that names it, the text, a line that ends it.
std::string Fenced(std::string_view title, std::string_view text, size_t limit);

// A detail without the values of rows, which PostgreSQL puts into brackets: they are the users'
// data, and nothing that a correction needs. What leaves it does so shortened: "(…)".
std::string WithoutValues(std::string_view text);

}  // namespace agent_branch
