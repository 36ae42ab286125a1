// A model of the branches' databases: tasks take time, connections break, and a COMMIT whose answer
// is lost took effect or it did not.
//
// What runs alone is an index: one that fails, or whose connection breaks, may leave half of it. A
// server whose client is gone goes on for a while.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <tuple>

#include "tests/simulation/effects.hpp"
#include "tests/simulation/faults.hpp"
#include "tests/simulation/model_neon.hpp"

namespace agent_branch::simulation {

class ModelBranches : public BranchRunner {
 public:
  ModelBranches(VirtualClock *clock, Agenda *agenda, Chance *chance, Witness *witness,
                ModelNeon *neon, const Faults *faults)
      : clock_(clock),
        agenda_(agenda),
        chance_(chance),
        witness_(witness),
        neon_(neon),
        faults_(faults) {}

  std::function<void(BranchEvent)> deliver;
  std::function<void()> after_effect;
  Harms *harms = nullptr;
  // The ordinal that a migration has in its session, and the session.
  std::function<std::pair<int64_t, int>(int64_t migration_id)> place_of;
  std::function<const SessionRow &(int64_t session_id)> session_of;

  void Start(BranchTask task) override;
  void Commit(uint64_t id) override;
  void Cancel(uint64_t id) override;
  void Close(const std::string &) override {}

  // The worker is gone, and its connections with it.
  void Crash();
  size_t under_way() const { return tasks_.size(); }
  // Whether the effect was committed on this branch, which may be gone.
  bool WasApplied(const std::string &branch_id, int64_t effect) const {
    return applied_.count({branch_id, effect}) > 0;
  }
  bool WasApplied(int64_t effect) const { return effects_.count(effect) > 0; }

 private:
  struct Task {
    BranchTask task;
    std::string transaction_id;
    bool committing = false;
  };

  void Later(uint64_t id, milliseconds after, void (ModelBranches::*what)(uint64_t));
  void Run(uint64_t id);
  void RunMigration(uint64_t id, ModelBranch &branch);
  void TellDefinitions(uint64_t id);
  void TellGate(uint64_t id);
  void ChangeRoles(uint64_t id, ModelBranch &branch);
  void TellWho(uint64_t id, const ModelBranch &branch);
  void Describe(uint64_t id, ModelBranch &branch);
  void TellVersion(uint64_t id, ModelBranch &branch);
  void TellStandpoint(uint64_t id, ModelBranch &branch);
  void TellUnrecorded(uint64_t id, ModelBranch &branch);
  void TellWrittenSince(uint64_t id, ModelBranch &parent);
  void TellFate(uint64_t id, ModelBranch &branch);
  void Lose(uint64_t id);
  void RunAlone(uint64_t id, ModelBranch &branch);
  void LookAlone(uint64_t id, ModelBranch &branch);
  void TellRisks(uint64_t id, ModelBranch &branch);
  void DropHalf(uint64_t id, ModelBranch &branch);
  void Build(ModelBranch &branch, const Task &task);
  void BuildLater(ModelBranch &branch, const Task &task);
  void AddEffect(ModelBranch &branch, int64_t effect);
  void DoCommit(uint64_t id);
  void Apply(ModelBranch &branch, const Task &task);
  void ApplyLater(const Task &task);
  void RollBackLater(const Task &task);
  void Finish(uint64_t id, BranchEvent event);
  void Fail(uint64_t id, BranchOutcome outcome);
  ModelBranch *Find(const Task &task);

  VirtualClock *clock_;
  Agenda *agenda_;
  Chance *chance_;
  Witness *witness_;
  ModelNeon *neon_;
  const Faults *faults_;
  uint64_t incarnation_ = 0;
  int64_t next_transaction_ = 700;
  std::map<uint64_t, Task> tasks_;
  std::set<std::pair<std::string, int64_t>> applied_;
  std::set<int64_t> effects_;                                    // of those
  std::map<std::string, int> unread_;                            // standpoints, by connection
  std::map<std::string, std::tuple<int, int, int>> last_place_;  // of each session's branch
};

}  // namespace agent_branch::simulation
