// The command line, and the part of it that POST /admin/config can change while running.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace agent_branch::emulator {

// A key and what it may see: one project, or all of them when `project_id` is empty.
struct ApiKey {
  std::string key;
  std::string project_id;
};

struct Limits {
  int64_t branches = 10;
  int64_t root_branches = 5;
  int64_t protected_branches = 2;
  int64_t active_computes = 20;
  int64_t rate_per_minute = 700;  // 0: no limit, of either kind
  int64_t rate_burst = 40;        // a route and second
};

struct Options {
  std::string listen_address = "127.0.0.1";
  uint16_t listen_port = 4010;
  bool postgres = false;
  std::string data_directory;
  std::string postgres_binaries;  // empty: those of the PostgreSQL it was built with
  std::string api_key_file;
  std::string topology = "lineage";
  std::string lock = "project";
  std::vector<std::string> projects;
  std::map<std::string, int64_t> durations;  // milliseconds by action, and "response"
  Limits limits;
  bool allow_restore_from_expiring = false;
  bool omit_connection_uris = false;
  bool plan_gates_suspend = false;
  std::string parent_name = "development";
  std::string fixed_uri;
  std::string fixed_parent_uri;
  std::optional<uint64_t> seed;
  int64_t suspend_after_seconds = 0;  // 0: computes are never suspended by themselves
  bool keep = false;                  // what was done is there again after the emulator's end
  bool try_out = false;               // what is not given is made
  bool quiet = false;
  bool help = false;
  bool version = false;
};

extern const char kUsage[];

// Throws std::runtime_error with a message for the user.
Options ParseOptions(int count, char **arguments);

// Applies "default", "zero" or NAME=MS items, separated by commas; throws like ParseOptions.
void ApplyDurations(const std::string &text, std::map<std::string, int64_t> *durations);

// One key a line; a project id after the key limits it to that project. Throws when there is none.
std::vector<ApiKey> ReadApiKeys(const std::string &path);

}  // namespace agent_branch::emulator
