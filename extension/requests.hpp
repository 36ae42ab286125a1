// Intents: what a function asks for is a row in agent_branch.request that the worker finds once the
// transaction has committed. A rollback leaves nothing behind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "postgres/spi.hpp"

namespace agent_branch {

// 25006 on a standby or in a read-only transaction. The first thing that a function which asks for
// something does; `function` is its name.
void RequireWritable(const char *function);
void RequirePrimary(const char *function);

struct Request {
  const char *kind;
  std::optional<int64_t> project_id = std::nullopt;
  std::optional<int64_t> session_id = std::nullopt;
  std::optional<int64_t> subject_id = std::nullopt;
  std::string arguments = "{}";  // JSON
};

// Inside an OwnerSession; the worker is woken when the transaction commits.
void WriteRequest(Oid caller, const Request &request);

}  // namespace agent_branch
