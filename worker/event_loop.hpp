// The worker's one loop: everything that happens to it is an event here, and nothing in it waits
// for anything but the next event.
//
// A turn: take what is new (requests, answers, branch events), let the engine move, commit what it
// wrote, let go what waited for that commit. Between turns the process sleeps in one WaitEventSet
// on its latch, the postmaster's death and the descriptors of http/ and branch/ (each an epoll of
// its own), with a timeout only if something is due.
#pragma once

#include <memory>

#include "postgres/script_reader.hpp"
#include "postgres/shared_state.hpp"
#include "postgres/sql_trees.hpp"
#include "worker/branch/runner.hpp"
#include "worker/call_log.hpp"
#include "worker/core/engine.hpp"
#include "worker/curl_host_resolver.hpp"
#include "worker/helpers.hpp"
#include "worker/http/client.hpp"
#include "worker/key_budgets.hpp"
#include "worker/key_files.hpp"
#include "worker/postgres_store.hpp"
#include "worker/system_clock.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

class EventLoop {
 public:
  explicit EventLoop(unsigned int extension);

  // Returns when the tables have to be loaded anew; otherwise only an exception ends it:
  // ExtensionGone, or what PostgreSQL raises.
  void Run();

 private:
  void Open();
  void ApplyNetworkSettings();
  void TakeEvents();
  void TakeRequests();
  void Turn();
  bool CommitBatch();
  void Publish();
  void Sleep();
  void GiveBackMemory();
  long Timeout() const;

  SystemClock clock_;
  SystemRandom random_;
  Settings settings_;
  KeyFiles keys_;
  KeyBudgets budgets_;
  PostgresScriptReader scripts_;
  PostgresSqlTrees trees_;
  PostgresStore store_;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<CurlHostResolver> resolver_;
  std::unique_ptr<LibpqBranchRunner> branches_;
  Helpers helpers_{&clock_};
  CallLog call_log_;
  std::unique_ptr<Engine> engine_;
  WaitEventSet *events_ = nullptr;
  Wakes wakes_seen_{};
  void ShowUnreadable();
  Status WriteBatch(PostgresStore::Refused *refused);

  bool reload_ = false;
  bool requests_due_ = true;
  int store_failures_ = 0;
  int turns_ = 0;  // since memory was given back
  Instant store_allowed_at_{0};
  WorkerNumbers numbers_{};
};

}  // namespace agent_branch
