// What the owner of a LibpqBranchRunner may choose.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace agent_branch {

struct RunnerOptions {
  // How long a connection without a task stays open.
  std::chrono::milliseconds idle_close{5'000};
  size_t max_connections = 64;
  // One attempt to connect; then the next address is tried, within the task's connect_timeout.
  // Neon's proxy holds a connection while it wakes the compute.
  std::chrono::milliseconds attempt_timeout{10'000};
  std::chrono::milliseconds first_backoff{50};
  std::chrono::milliseconds longest_backoff{1'000};
  // On top of the server's own statement_timeout, for a server that does not answer any more.
  std::chrono::milliseconds answer_grace{10'000};
  // A migration that waits for Commit(): the server rolls back after this, and lets its locks go
  // even when the network between us is gone.
  std::chrono::milliseconds ready_timeout{60'000};
  // For ending a cancelled statement at the server, best effort.
  std::chrono::milliseconds cancel_timeout{5'000};
  // PEM, the certificate authorities that servers are verified with; empty: the system's.
  std::string ca_file;
  size_t longest_message = 16 << 20;  // bytes, of one row, message or notice
};

}  // namespace agent_branch
