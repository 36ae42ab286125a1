// The worker's mind: given what is known and what happened, what comes next.
//
// Whoever owns the engine runs its turns: feeds it what happened, calls Advance(), commits the
// batch, calls Committed(), and sleeps until NextDeadline() or the next event. The engine itself
// does nothing but write the batch, and hand calls and tasks to the interfaces that it was given.
#pragma once

#include <memory>
#include <set>

#include "worker/core/merge/merge_flow.hpp"
#include "worker/core/merge/preview_flow.hpp"
#include "worker/core/merge/undo_flow.hpp"
#include "worker/core/session/create_flow.hpp"
#include "worker/core/session/end_flow.hpp"
#include "worker/core/session/migrate_flow.hpp"
#include "worker/core/session/resting_flow.hpp"
#include "worker/core/session/wait_reasons.hpp"
#include "worker/core/upkeep/kept_branches.hpp"
#include "worker/core/upkeep/provision_flow.hpp"
#include "worker/core/upkeep/suspend_computes.hpp"
#include "worker/core/upkeep/sweep_flow.hpp"

namespace agent_branch {

class Engine : public SessionBehaviour {
 public:
  struct Services {
    HttpTransport *http = nullptr;
    BranchRunner *branches = nullptr;
    Store *store = nullptr;
    KeyRing *keys = nullptr;
    BudgetSource *budgets = nullptr;  // null: none is shared
    ScriptReader *scripts = nullptr;
    const Clock *clock = nullptr;
    Random *random = nullptr;
    const Settings *settings = nullptr;    // may change between turns; then Reconfigure()
    FixStore *fixes = nullptr;             // null: there is no fixer
    HelperRunner *helpers = nullptr;       // null: no SQL function is called
    SqlTrees *trees = nullptr;             // with it
    ProvisionStore *provisions = nullptr;  // null: no project is made
    CallObserver *observer = nullptr;      // of the calls of the API; null: nobody counts them
  };

  // Takes up what the snapshot left unfinished: each open step is reconciled before anything else.
  Engine(Services services, const StoreSnapshot &snapshot);
  // Ends all flows before what they use goes.
  ~Engine() override;

  void OnRequests(const Intake &intake);
  void OnHttp(const HttpCompletion &completion);
  void OnBranch(const BranchEvent &event) { tasks_.OnEvent(event); }
  void OnHelper(const HelperEvent &event) { helpers_.OnEvent(event); }
  void Reconfigure();

  // The tables hold sessions that were not ours before: a new engine has to load them.
  bool ReloadWanted() const { return reload_wanted_; }

  // Moves everything on that can move.
  void Advance();
  // Whether a commit made something movable, so that another Advance() is due at once.
  bool HasWork() const { return scheduler_.HasReady(); }
  bool HasBatch() const { return !journal_.empty(); }
  const Batch &batch() const { return journal_.batch(); }
  // Sessions that the batch changes.
  const std::set<int64_t> &touched() const { return journal_.touched(); }
  // set_aside: whose part of the batch could not be written, and is lost; see SetAside().
  void Committed(const std::set<Owner> &set_aside = {}) { journal_.Committed(set_aside); }
  // Its rows cannot be written, for this reason: ends what is under way for it, and begins nothing
  // more. Registering its project or discarding the session has everything loaded anew; a project's
  // upkeep tries again after a while.
  void SetAside(const Owner &owner, const Status &why);
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
  // Of SessionBehaviour.
  Flow<> Next(Session &session) override;
  void OnInternalError(Session &session, const char *what) override;
  // Runs a flow once, and waits for a while if it says so.
  Flow<> RunOnce(Session &session, Flow<agent_branch::Next> flow);

  void LoadProject(const ProjectRow &row);
  void LoadSession(const SessionRow &row);
  void LoadMigration(const MigrationRow &row);
  void LoadMerge(const MergeRow &row);
  void LoadUndo(const UndoRow &row);
  void LoadStep(const StepRow &step);
  void LoadCredential(const CredentialRow &row);
  void Apply(const RequestRow &request, const Intake &intake);
  void TakeMigration(const RequestRow &request, const Intake &intake);
  void TurnAway(const RequestRow &request, const Intake &intake);
  void AskMerge(Session &session, const RequestRow &request);
  void AskPreview(const RequestRow &request);
  void AskRebase(Session &session);
  void AskUndo(const RequestRow &request);
  void GiveUp(Session &session, Goal goal);
  void LookAgain(const RequestRow &request);
  void RemoveEnded();

  Services services_;
  Scheduler scheduler_;
  Inventory inventory_;
  Journal journal_;
  ApiCalls calls_;
  Operations operations_;
  ModelCalls models_;
  RunningTasks tasks_;
  RunningHelpers helpers_;
  SessionContext context_;
  ConnectionUris uris_;
  Admission admission_;
  CreateFlow create_;
  FixFlow fix_;
  MigrateFlow migrate_;
  RebaseFlow rebase_;
  MergeFlow merge_;
  PreviewFlow preview_;
  UndoFlow undo_;
  EndFlow end_;
  RestingFlow resting_;
  KeptBranches kept_;
  SuspendComputes suspend_;
  ProvisionFlow provision_;
  SweepFlow sweep_;
  WaitReasons waits_;
  std::set<int64_t> taken_requests_;
  std::vector<int64_t> ended_;  // sessions that leave
  bool reload_wanted_ = false;
};

}  // namespace agent_branch
