// Carries out BranchTasks over libpq, any number of them at once, without ever blocking.
//
// The loop waits until descriptor() is readable or NextDeadline() has come, calls Advance(), and
// takes the events. NextDeadline() is empty when nothing is under way: no timer needs to be armed.
// One thread only; none of the methods calls back, but for the HostResolver, which is borrowed and
// outlives the runner.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/branch/canceller.hpp"
#include "worker/branch/channel.hpp"
#include "worker/branch/host_resolver.hpp"
#include "worker/branch/runner_options.hpp"
#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

class LibpqBranchRunner : public BranchRunner, private ChannelHost {
 public:
  // resolver: may be null when all hosts are numeric or localhost. Takes what libpq would read out
  // of the process's environment.
  explicit LibpqBranchRunner(HostResolver *resolver, RunnerOptions options = {});
  ~LibpqBranchRunner() override;
  LibpqBranchRunner(const LibpqBranchRunner &) = delete;
  LibpqBranchRunner &operator=(const LibpqBranchRunner &) = delete;

  void Start(BranchTask task) override;
  void Commit(uint64_t id) override;
  void Cancel(uint64_t id) override;
  void Close(const std::string &connection_key) override;
  // For connections made from now on; see RunnerOptions::ca_file.
  void UseCaFile(std::string path) { options_.ca_file = std::move(path); }

  // An epoll descriptor, -1 when the system refused one: every task then ends as kNotRun.
  int descriptor() const { return epoll_; }
  std::optional<std::chrono::steady_clock::time_point> NextDeadline() const;
  void Advance();
  std::vector<BranchEvent> TakeEvents();

  // Open ones and those being opened, without the short-lived ones that cancel.
  size_t connections() const;

 private:
  int epoll() const override { return epoll_; }
  HostResolver *resolver() const override { return resolver_; }
  const RunnerOptions &options() const override { return options_; }
  void Report(BranchEvent event) override { events_.push_back(std::move(event)); }
  void Abandon(std::unique_ptr<Connection> connection, ConnectionTarget target) override;

  void AdvanceChannels(TimePoint now);
  void AdvanceCancellers(TimePoint now);
  bool MakeRoom();

  HostResolver *resolver_;
  RunnerOptions options_;
  int epoll_;
  uint64_t last_tag_ = 0;
  bool work_due_ = false;
  std::vector<BranchEvent> events_;
  // By tag, which is in the order of their making: the order in which they get connections.
  std::map<uint64_t, Channel> channels_;
  std::map<std::string, uint64_t> tags_by_key_;
  std::map<uint64_t, Canceller> cancellers_;
};

}  // namespace agent_branch
