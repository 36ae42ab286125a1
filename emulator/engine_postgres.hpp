// The engine with real data: a PostgreSQL cluster for every timeline, a proxied port for every
// endpoint.
//
// Work on clusters blocks and runs on the loop's threads. Each timeline has a queue, so that steps
// on one follow each other while others run beside them.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "emulator/cluster.hpp"
#include "emulator/data_directory.hpp"
#include "emulator/engine.hpp"
#include "emulator/loop.hpp"
#include "emulator/proxy.hpp"

namespace agent_branch::emulator {

class PostgresEngine : public Engine {
 public:
  // Throws std::runtime_error when the folder cannot be used or PostgreSQL is not there.
  PostgresEngine(Loop &loop, const std::string &data_directory, const std::string &binaries,
                 std::string superuser_password);

  void Initialize(const std::string &timeline, const std::string &role, const std::string &password,
                  const std::string &database, Done done) override;
  void Fork(ForkRequest request, Done done) override;
  void Drop(const std::string &timeline, Done done) override;
  void StartCompute(const std::string &timeline, Done done) override;
  void StopCompute(const std::string &timeline, Done done) override;
  void Execute(const std::string &timeline, const std::string &database,
               std::vector<std::string> statements, Done done) override;
  void DumpSchema(const std::string &timeline, const std::string &database,
                  std::function<void(Dump)> done) override;
  void CompareSchemas(const std::string &base, const std::string &compared,
                      const std::string &database, std::function<void(Dump)> done) override;

  EndpointAddress OpenEndpoint(const std::string &endpoint) override;
  void CloseEndpoint(const std::string &endpoint) override { proxy_.Close(endpoint); }
  void ServeEndpoint(const std::string &endpoint, const std::string &timeline) override;
  void HoldEndpoint(const std::string &endpoint) override { proxy_.Hold(endpoint); }
  void RefuseEndpoint(const std::string &endpoint) override { proxy_.Refuse(endpoint); }
  void DropConnections(const std::string &endpoint) override { proxy_.DropConnections(endpoint); }
  std::optional<std::chrono::seconds> IdleTime(const std::string &endpoint) override {
    return proxy_.IdleTime(endpoint);
  }
  std::string Uri(const std::string &role, const std::string &password, const std::string &host,
                  const std::string &database) override;
  bool KeepsData() const override { return true; }
  int PostgresVersion() const override { return version_; }
  void Shutdown() override;

 private:
  struct Timeline {
    std::string name;
    std::unique_ptr<Cluster> cluster;
    bool busy = false;
    std::deque<std::function<void()>> waiting;
  };
  using TimelinePtr = std::shared_ptr<Timeline>;

  TimelinePtr Find(const std::string &name);
  TimelinePtr Make(const std::string &name);
  void Acquire(const TimelinePtr &timeline, std::function<void()> turn);
  void Release(const TimelinePtr &timeline);
  void RunOn(const TimelinePtr &timeline, std::function<std::string(Cluster &)> work, Done done);
  void WatchClusters();

  Loop &loop_;
  DataDirectory data_;
  Installation installation_;
  Proxy proxy_;
  int version_ = 0;
  int next_number_ = 1;
  std::unordered_map<std::string, TimelinePtr> timelines_;
};

}  // namespace agent_branch::emulator
