// Reads what the page shows from the control database, in a thread of its own: one connection that
// listens for changes and is made again when it is lost. Only while somebody watches is anything
// read.
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace agent_branch::fleet {

struct Snapshot {
  uint64_t version = 0;
  std::string json;   // as the query of reader.cpp gives it; empty: nothing was read yet
  std::string error;  // why the latest look failed; empty: it did not
};

class Reader {
 public:
  // on_read: called in the reader's thread after each look.
  Reader(std::string database, std::function<void(Snapshot)> on_read);
  // Ends the thread.
  ~Reader();
  Reader(const Reader &) = delete;
  Reader &operator=(const Reader &) = delete;

  // A look is wanted now.
  void Refresh();
  // While there are any, changes and the time have it look again.
  void SetWatchers(int watchers) { watchers_ = watchers; }

 private:
  struct Finish {
    void operator()(PGconn *connection) const { PQfinish(connection); }
  };

  void Run();
  bool Connect();
  void Look();
  // Whether the server has told of a change.
  bool TakeNotifications();
  // Waits for a change, a wish, the time or the end.
  void Wait();

  const std::string database_;
  const std::function<void(Snapshot)> on_read_;
  std::unique_ptr<PGconn, Finish> connection_;
  std::string error_;
  uint64_t version_ = 0;
  int failures_ = 0;
  int wake_;  // an eventfd
  std::atomic<bool> stops_ = false;
  std::atomic<bool> wanted_ = false;
  std::atomic<int> watchers_ = 0;
  bool changed_ = false;
  std::thread thread_;
};

}  // namespace agent_branch::fleet
