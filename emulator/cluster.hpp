// One PostgreSQL cluster: a data directory, a Unix socket, and a server while it runs.
//
// Everything blocks and belongs on a working thread; the engine sees to it that at most one thread
// works on a cluster at a time. Functions return an empty text or what went wrong. The server takes
// its settings from the command line only, so that a copy of the directory needs no editing.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "emulator/engine.hpp"

namespace agent_branch::emulator {

struct Installation {
  std::string binaries;            // where initdb, postgres and pg_dump are
  std::string sockets;             // folder of the Unix sockets
  std::string superuser_password;  // of cloud_admin, in every cluster of this run
};

class Cluster {
 public:
  Cluster(const Installation &installation, std::string directory, int number);

  std::string Initialize(const std::string &role, const std::string &password,
                         const std::string &database);
  // A consistent copy of `source`, which may be running and written to; not running itself.
  std::string CopyFrom(Cluster &source);
  std::string Start();  // returns when it takes connections; nothing to do when it runs
  std::string Stop();   // clean, connections are ended
  void Remove();        // quickly, and the files as well
  std::string Execute(const std::string &database, const std::vector<std::string> &statements);
  std::string EmptyTables();  // of all databases
  Dump DumpSchema(const std::string &database);

  bool IsRunning() const { return pid_ > 0; }
  // Notices a server that ended by itself.
  bool HasDied();
  std::string socket_path() const;

 private:
  std::string CopyRunning(Cluster &source);
  std::string WaitUntilReady();
  std::string LogTail() const;

  const Installation &installation_;
  std::string directory_;
  std::string log_path_;
  int number_;  // stands for the port in the socket's name
  std::atomic<pid_t> pid_{0};
};

}  // namespace agent_branch::emulator
