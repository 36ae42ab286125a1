// The write side of the journal rule: intend, act, record.
//
// Changes are collected in a batch; actions that must not happen before the batch is committed are
// handed in beside it and run by Committed(). So no effect outside is ever sent before the database
// knows of it.
#pragma once

#include <functional>
#include <set>
#include <vector>

#include "worker/core/state/inventory.hpp"
#include "worker/core/state/owner.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

class Journal {
 public:
  explicit Journal(int64_t last_step_id) : next_step_id_(last_step_id + 1) {}

  // Appends the row; what is not a change of state replaces the row's last version in the batch, so
  // that each state, however short, is written once.
  void Save(const SessionRow &session);
  void Add(Mutation mutation);

  // Opens a step: it is committed before `act` runs.
  StepRow Intend(const Project &project, int64_t session_id, StepKind kind, std::string target,
                 std::function<void()> act);
  // Closes it: done (it had its effect) or refused (it had none).
  void Record(StepRow step, bool done, std::string outcome);

  // `owner`: whose changes in the batch `act` counts on.
  void AfterCommit(std::function<void()> act, Owner owner = {}) {
    actions_.push_back({owner, std::move(act)});
  }

  bool empty() const { return batch_.mutations.empty() && actions_.empty(); }
  const Batch &batch() const { return batch_; }
  // Sessions that the batch changes: whoever waits for one of them is woken after the commit.
  const std::set<int64_t> &touched() const { return touched_; }
  // The batch is in the database, but for what these own: forgets it and runs what waited for it.
  void Committed(const std::set<Owner> &set_aside = {});

 private:
  Batch batch_;
  struct Action {
    Owner owner;
    std::function<void()> act;
  };
  std::vector<Action> actions_;
  std::set<int64_t> touched_;
  int64_t next_step_id_;
};

}  // namespace agent_branch
