// One run of a schedule: the worker's core in a world that is all model.
//
// The turns of the core are run as worker/event_loop.cpp runs them. Time jumps from one thing that
// happens to the next. First users act and things go wrong; then that ends, and whatever is under
// way has to come to rest; then everything expires, and two sweeps have to leave nothing behind.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "tests/simulation/invariants.hpp"
#include "tests/simulation/model_branch.hpp"
#include "tests/simulation/model_store.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/sabotage.hpp"
#include "tests/simulation/schedule.hpp"
#include "tests/simulation/users.hpp"
#include "tests/unit/core/fake_scripts.hpp"
#include "worker/core/engine.hpp"

namespace agent_branch::simulation {

struct RunResult {
  std::vector<std::string> violations;
  std::vector<std::string> trace;
  uint64_t digest = 0;  // two runs of one schedule have the same
  int64_t turns = 0;
  int64_t requests = 0;
  int64_t sessions = 0;
  int64_t undos = 0;
  int64_t steps = 0;
  milliseconds settled_after{0};      // from the last fault on
  int64_t requests_after = 0;         // from the last fault on, until everything is at rest
  std::vector<UserOutcome> outcomes;  // empty: trouble lasted
};

class ModelKeys : public KeyRing {
 public:
  ModelKeys(Chance *chance, const Faults *faults) : chance_(chance), faults_(faults) {}
  Result<Secret> Key(const std::string &file) override;

  std::map<std::string, std::string> files;
  bool readable = true;

 private:
  Chance *chance_;
  const Faults *faults_;
};

// What is spent of each key lies in memory that outlives the worker, but not the server.
class ModelBudgets : public BudgetSource {
 public:
  RequestBudget Budget(const std::string &file) override;
  void Lose() {
    for (auto &[file, spent] : spent_)
      spent = SpentBudget();
  }

 private:
  class NoGuard : public BudgetGuard {
   public:
    void Lock() override {}
    void Unlock() override {}
  };

  std::map<std::string, SpentBudget> spent_;
  NoGuard guard_;
};

class Simulation {
 public:
  // states: takes a hash of each state of the world that was reached; may be null.
  Simulation(const Schedule &schedule, Sabotage *sabotage, bool tracing,
             std::unordered_set<uint64_t> *states);
  RunResult Run();

 private:
  void Build();
  void Start();
  void Crash(bool whole_server);
  bool CrashesHere(double probability);
  void PlanCrash();
  void Wake();
  void Plan(const Incident &incident);
  void Begin(const Incident &incident);
  void BeginTrial(const Incident &incident);
  std::string KeyFile(int project) const;
  void EndFaults();
  void BeginTrouble();
  void SetTrouble(ModelProject &project, bool on);
  bool OutlastTrouble();
  void NoteUnsettled();
  void JudgeSettling(Instant faults_ended, int64_t requests_before);
  bool JudgeAll();
  RunResult TakeResult();

  // Until nothing is under way any more; false: not before `limit`.
  bool RunUntil(Instant limit);
  std::optional<Instant> WorkerDue() const;
  void Turn();
  void TakeEvents();
  void TakeRequests();
  bool CommitBatch();
  std::optional<ModelNeon::UndoAsked> UndoFrom(const ModelBranch &backup) const;
  bool IsNeeded(const ModelBranch &backup) const;
  void NoteState();
  Evidence TakeEvidence() const;
  // And lets everything come to rest after each; false: it does not.
  bool SweepTwice();

  const Schedule &schedule_;
  Sabotage *sabotage_;
  std::unordered_set<uint64_t> *states_;
  VirtualClock clock_;
  Agenda agenda_;
  Witness witness_;
  Harms harms_;
  Chance chance_;
  Chance core_chance_;
  Faults faults_;
  Settings settings_;
  ModelNeon neon_;
  Network network_;
  ModelBranches branches_;
  ModelStore store_;
  ModelKeys keys_;
  ModelBudgets budgets_;
  FakeScripts scripts_;
  StoreTap store_tap_;
  TransportTap network_tap_;
  Users users_;
  std::unique_ptr<Engine> engine_;

  std::vector<HttpCompletion> answers_;
  std::vector<BranchEvent> events_;
  std::optional<Instant> turn_due_;
  bool requests_due_ = false;
  int store_failures_ = 0;
  Instant store_allowed_at_{0};
  int crashes_ = 0;
  int64_t turns_ = 0;
  int turns_at_once_ = 0;
  Instant unsettled_at_{0};
  milliseconds settled_after_{0};
  int64_t requests_after_ = 0;
  std::vector<UserOutcome> outcomes_;
};

RunResult RunSchedule(const Schedule &schedule, bool tracing = false,
                      std::unordered_set<uint64_t> *states = nullptr,
                      Sabotage *sabotage = &no_sabotage);

}  // namespace agent_branch::simulation
