// The command line of agent-branch-fleet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace agent_branch::fleet {

struct Options {
  std::string address = "127.0.0.1";
  uint16_t port = 4020;  // 0: a free one
  // A libpq connection string; what it leaves out comes from libpq's environment (PGHOST,
  // PGSERVICE,
  // ~/.pgpass ...), so that no password has to stand on a command line.
  std::string database;
  std::vector<std::string> hosts;  // names that a request's Host may have, beside loopback's
  bool help = false;
  bool version = false;
};

// Nothing: `error` says what is wrong.
std::optional<Options> ParseOptions(int argc, char **argv, std::string *error);
const char *Usage();
bool IsLoopback(const std::string &address);

}  // namespace agent_branch::fleet
