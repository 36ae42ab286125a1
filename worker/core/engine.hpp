// The worker's mind: given what is known and what happened, what comes next.
//
// Whoever owns the engine runs its turns: feeds it what happened, calls Advance(), commits the
// batch, calls Committed(), and sleeps until NextDeadline() or the next event. The engine itself
// does nothing but write the batch, and hand calls and tasks to the interfaces that it was given.
#pragma once

#include <memory>
#include <set>

#include "worker/core/merge/merge_flow.hpp"
#include "worker/core/session/create_flow.hpp"
#include "worker/core/session/migrate_flow.hpp"
#include "worker/core/session/remove_flow.hpp"
#include "worker/core/session/wait_board.hpp"
#include "worker/core/upkeep/retire_flow.hpp"
#include "worker/core/upkeep/suspend_flow.hpp"
#include "worker/core/upkeep/sweep_flow.hpp"

namespace agent_branch {

class Engine {
 public:
  struct Parts {
    HttpTransport *http = nullptr;
    BranchRunner *branches = nullptr;
    Store *store = nullptr;
    KeyRing *keys = nullptr;
    BudgetSource *budgets = nullptr;  // null: none is shared
    ScriptReader *scripts = nullptr;
    const Clock *clock = nullptr;
    Random *random = nullptr;
    const Settings *settings = nullptr;  // may change between turns; then Reconfigure()
    FixStore *fixes = nullptr;           // null: there is no fixer
    SqlTrees *trees = nullptr;           // with it
  };

  // Takes up what the snapshot left unfinished: each open step is reconciled before anything else.
  Engine(Parts parts, const StoreSnapshot &snapshot);

  void OnRequests(const Intake &intake);
  void OnHttp(const HttpCompletion &completion);
  void OnBranch(const BranchEvent &event) { desk_.OnBranchEvent(event); }
  void Reconfigure() { calls_.Reconfigure(); }

  // The tables hold sessions that were not ours before: a new engine has to load them.
  bool ReloadWanted() const { return reload_wanted_; }

  // Moves everything on that can move.
  void Advance();
  // Whether a commit made something movable, so that another Advance() is due at once.
  bool HasWork() const { return desk_.has_runnable(); }
  bool HasBatch() const { return !journal_.empty(); }
  const Batch &batch() const { return journal_.batch(); }
  // Sessions that the batch changes.
  const std::set<int64_t> &touched() const { return journal_.touched(); }
  void Committed() { journal_.Committed(); }
  // When Advance() has something to do though nothing happens; nothing: never.
  std::optional<Instant> NextDeadline() const;

  struct Load {
    size_t sessions = 0;
    size_t waiting = 0;  // sessions
    size_t calls_waiting = 0;
    size_t calls_under_way = 0;
    int64_t calls_total = 0;
    int call_budget = 0;
  };
  Load CurrentLoad() const;

 private:
  void LoadProject(const ProjectRow &row);
  void LoadSession(const SessionRow &row);
  void LoadMigration(const MigrationRow &row);
  void Apply(const RequestRow &request, const Intake &intake);
  void TakeMigration(const RequestRow &request, const Intake &intake);
  void TurnAway(const RequestRow &request, const Intake &intake);
  void AskMerge(Session &session, const RequestRow &request);
  void GiveUp(Session &session, Goal goal);
  void WakePaused();
  void Drive(Session &session);
  void DriveResting(Session &session);
  void SetExpiry(Session &session);

  Parts parts_;
  World world_;
  Journal journal_;
  ApiCalls calls_;
  Operations operations_;
  ModelCalls models_;
  Desk desk_;
  Admission admission_;
  CreateFlow create_;
  FixFlow fix_;
  MigrateFlow migrate_;
  MergeFlow merge_;
  RemoveFlow remove_;
  RetireFlow retire_;
  SuspendFlow suspend_;
  SweepFlow sweep_;
  WaitBoard waits_;
  std::set<int64_t> taken_requests_;
  bool reload_wanted_ = false;
};

}  // namespace agent_branch
