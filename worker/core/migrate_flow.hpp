// Migrations: in order, each a transaction on the branch.
//
// The step is intended before the first statement is sent, and the transaction's id is noted before
// COMMIT is: so after a crash, or a lost answer, pg_xact_status() on the branch tells whether the
// migration is applied, and none is run twice.
#pragma once

#include "worker/core/create_flow.hpp"
#include "worker/core/script.hpp"

namespace agent_branch {

class MigrateFlow {
 public:
  // reader: borrowed.
  MigrateFlow(Desk *desk, CreateFlow *creator, ScriptReader *reader)
      : desk_(desk), creator_(creator), reader_(reader) {}

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
  ScriptReader *reader_;
};

}  // namespace agent_branch
