// Migrations: in order, each a transaction on the branch.
//
// The step is intended before the first statement is sent, and the transaction's id is noted before
// COMMIT is: so after a crash, or a lost answer, pg_xact_status() on the branch tells whether the
// migration is applied, and none is run twice.
#pragma once

#include "worker/core/create_flow.hpp"
#include "worker/core/statement_check.hpp"

namespace agent_branch {

class MigrateFlow {
 public:
  // statements: what a migration may hold; null: anything.
  MigrateFlow(Desk *desk, CreateFlow *creator, StatementCheck *statements)
      : desk_(desk), creator_(creator), statements_(statements) {}

  // state kMigrating, nothing under way.
  void Drive(Session &session);

 private:
  void Start(Session &session);
  void Run(Session &session);
  void OnEvent(Session &session, const BranchEvent &event);
  void OnReadyToCommit(Session &session, const BranchEvent &event);
  void Applied(Session &session, const std::string &outcome);
  void Rejected(Session &session, const ServerError &error);
  void RunAgain(Session &session, const std::string &outcome);
  void Reconcile(Session &session);
  void OnFate(Session &session, const BranchEvent &event);

  Desk *desk_;
  CreateFlow *creator_;
  StatementCheck *statements_;
};

}  // namespace agent_branch
