// Sessions run by clients that are measured side by side: what `agent_branch` does for a platform,
// and what a platform would write by hand as fast as it can be written.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace bench {

struct Options {
  std::string mode;     // ours, or floor
  std::string api_url;  // of the floor
  std::string api_key;
  std::string control;  // connection string of ours
  std::vector<std::string> projects;
  std::vector<std::string> statements;  // the session's migrations
  std::string work;                     // a statement that the agent runs on its branch ...
  int work_times = 0;                   // ... so often
  std::string merge = "none";           // none: the branch is deleted; restore; replay
  std::string prefix = "s";
  int sessions = 1;
  int parallel = 1;
  bool find_parent = false;  // the floor looks its parent up by its name each time, as ours does
  int poll_ms = 1;           // between two looks of the floor at running operations
  int give_up_s = 600;       // a session that takes longer has failed
  int attempts = 1'000'000;  // how often the floor sends what was refused as busy or too often
};

struct Times {
  double ready_ms = 0;  // from the first call to a branch that answers
  double total_ms = 0;
  int calls = 0;      // of the API, where the client makes them itself
  int refused = 0;    // of these, with 423, 429 or 503
  std::string error;  // empty: the session ended as it should
};

// One of a number of clients that run at the same time, with connections of its own.
class Client {
 public:
  virtual ~Client() = default;
  virtual Times Run(const std::string &session, const std::string &project) = 0;
};

std::unique_ptr<Client> MakeFloor(const Options &options);
std::unique_ptr<Client> MakeOurs(const Options &options);

double NowMs();
std::string ReadFile(const std::string &path);

}  // namespace bench
