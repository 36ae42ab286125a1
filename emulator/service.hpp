// The state of the whole emulator and the rules that more than one kind of request obeys.
//
// Handlers (handlers.hpp) are functions on it. Checks throw ApiError. The order of checks in every
// handler is the one documented in docs/emulator.md: ids, body, plan, state and limits, name, lock.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <unordered_map>

#include "emulator/call.hpp"
#include "emulator/engine.hpp"
#include "emulator/errors.hpp"
#include "emulator/identifiers.hpp"
#include "emulator/kept_state.hpp"
#include "emulator/loop.hpp"
#include "emulator/model.hpp"
#include "emulator/operations.hpp"
#include "emulator/options.hpp"
#include "emulator/request_log.hpp"

namespace agent_branch::emulator {

// Highest values seen, for tests of what a client demands at once.
struct Peaks {
  size_t branches = 0;
  size_t root_branches = 0;
  size_t active_computes = 0;
  size_t running_operations = 0;
};

// What comes with a branch's data.
struct Contents {
  explicit Contents(const Branch &branch) : roles(branch.roles), databases(branch.databases) {}
  std::vector<Role> roles;
  std::vector<Database> databases;
};

// What a request may say about a new endpoint.
struct EndpointWish {
  std::string type = "read_write";
  std::string name;
  double min_cu = 0.25;
  double max_cu = 0.25;
  int64_t suspend_timeout_seconds = 0;
  std::string provisioner = "k8s-neonvm";
  std::string settings = "{}";
  bool disabled = false;
  bool passwordless_access = true;
};

class Service {
 public:
  Service(Options &options, Loop &loop, Engine &engine, uint64_t seed);

  // Takes up what an earlier emulator kept, then makes the projects of the command line that are
  // missing; `ready` gets an empty text or what went wrong.
  void Boot(std::function<void(const std::string &)> ready);
  // With --keep: something was done that has to be kept. It is written before the next answer
  // leaves, or when the loop is at rest.
  void Changed();
  void SaveIfChanged();
  const KeptState *kept() const { return kept_.get(); }  // null without --keep

  Project &RequireProject(const std::string &id);
  Branch &RequireBranch(Project &project, const std::string &id);
  Endpoint &RequireEndpoint(Project &project, const std::string &id);
  // 423 while an operation runs that the lock mode lets stand in the way of these branches.
  void RequireUnlocked(Project &project, std::initializer_list<std::string> branch_ids);
  void RequireReady(const Branch &branch);  // 422 "branch not ready yet"
  void RequireBranchSlot(Project &project, bool root);
  void RequireProtectedSlot(Project &project);
  void RequireFreeName(Project &project, const std::string &name);
  bool ComputeSlotFree(Project &project);

  // Adds a project with its root branch, whose data comes into being with the returned steps.
  Project &AddProject(const std::string &id, const std::string &name,
                      const std::string &branch_name, const std::string &role,
                      const std::string &database);
  std::vector<Step> InitializeSteps(Project &project);
  // Branch with a new id, its data still to be made. Roles and databases are the parent's.
  Branch MakeBranch(Project &project, const Branch *parent, const std::string &name);
  Endpoint &AddEndpoint(Project &project, Branch &branch, const EndpointWish &wish);
  void ResetLifetime(const Project &project, Branch &branch);  // expires_at = now + ttl
  void WatchExpiry(const std::string &project_id, const Branch &branch);

  OperationPtr NewOperation(Project &project, const std::string &action,
                            const std::string &branch_id, const std::string &endpoint_id = "");
  Step StartStep(Project &project, Endpoint &endpoint);
  Step SuspendStep(Project &project, Endpoint &endpoint, const std::string &timeline);
  // Takes the branch out of sight at once and returns the steps that remove it.
  std::vector<Step> DeleteSteps(Project &project, Branch &branch);
  // Statements that change a branch's roles or databases; `before` is put back when they fail.
  Step ApplyStep(Project &project, Branch &branch, std::vector<std::string> statements,
                 Contents before);

  // What operations show at their end. Each does nothing for what is gone.
  void ComputeStarted(const std::string &project_id, const std::string &endpoint_id, bool started);
  void ComputeSuspended(const std::string &project_id, const std::string &endpoint_id,
                        bool suspended);
  void BranchCreated(const std::string &project_id, const std::string &branch_id);
  void BranchRestored(const std::string &project_id, const std::string &branch_id);
  void BranchDeleted(const std::string &project_id, const std::string &branch_id);

  std::string NewTimeline() { return "t" + std::to_string(++timelines_); }
  std::string NextLsn();
  int64_t NextDatabaseId() { return ++databases_; }
  void NotePeaks(Project &project);

  Options &options;
  Loop &loop;
  Engine &engine;
  Identifiers ids;
  std::unordered_map<std::string, Project> projects;
  OperationRunner operations;
  Peaks peaks;
  RequestLog effects;  // requests that changed something, answered or not

 private:
  friend std::string WriteState(Service &service);
  friend void ReadState(Service &service, const std::string &text);

  std::string TakeUpKept();  // an empty text or what went wrong
  // Operations that were running go on, from the beginning of the one that had begun.
  void ResumeOperations(Project &project);
  Step ResumedStep(const OperationPtr &operation);
  void BootNext(size_t at, std::function<void(const std::string &)> ready);
  void Expire(const std::string &project_id, const std::string &branch_id);
  void Wake(const std::string &endpoint_id);
  void Lose(const std::string &timeline);
  void SuspendIdle();
  Project *ProjectOfEndpoint(const std::string &endpoint_id);
  std::string TimelineOf(const std::string &project_id, const std::string &endpoint_id);

  int64_t starts_ = 0;  // of emulators with what is kept
  int64_t timelines_ = 0;
  int64_t operations_made_ = 0;
  int64_t databases_ = 1000;
  uint64_t lsn_ = 0x1500000;
  uint64_t seed_;
  std::unique_ptr<KeptState> kept_;  // with --keep
  bool changed_ = false;
};

}  // namespace agent_branch::emulator
