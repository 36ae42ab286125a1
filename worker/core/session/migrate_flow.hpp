// Migrations: in order, each read as a script, weighed, and carried out segment by segment.
//
// A segment is a step of the journal. It is intended before anything of it is sent. A transaction's
// id is noted before COMMIT is: so after a crash, or a lost answer, pg_xact_status() on the branch
// tells whether it is in effect. A statement that runs alone has no such id: what was there before
// it is noted, and what is there after tells. How many statements are in effect is recorded with
// each segment, so that a migration goes on where it was, and none of its segments is in effect
// twice.
#pragma once

#include <memory>

#include "worker/core/fixer/fix_flow.hpp"
#include "worker/core/script/script.hpp"
#include "worker/core/session/create_flow.hpp"

namespace agent_branch {

class MigrateFlow {
 public:
  // All are borrowed.
  MigrateFlow(Desk *desk, CreateFlow *creator, FixFlow *fixer)
      : desk_(desk), creator_(creator), fixer_(fixer) {}

  // state kMigrating, nothing under way.
  void Drive(Session &session);
  // What was to be repaired is not.
  void GiveUpRepair(Session &session, const ServerError &error);

 private:
  // What is to be carried out.
  void Prepare(Session &session);
  void Begin(Session &session, const std::shared_ptr<const Script> &script);
  void LookAtRisks(Session &session, std::shared_ptr<const Script> script);
  void Weigh(Session &session, const Script &script, const std::string &answer);
  void NextSegment(Session &session);
  const Segment *CurrentSegment(const Session &session) const;

  // A segment on its way.
  void Intend(Session &session, const Segment &segment);
  void Run(Session &session);
  BranchTask TaskFor(const Session &session, const Segment &segment) const;
  void OnEvent(Session &session, const BranchEvent &event);
  void OnReadyToCommit(Session &session, const BranchEvent &event);
  void Reconcile(Session &session);
  void OnFate(Session &session, const BranchEvent &event);

  // A statement that runs alone.
  void LookBefore(Session &session, const Segment &segment);
  void LookAfter(Session &session);
  void OnLooked(Session &session, const BranchEvent &event);
  void Decide(Session &session, const std::string &state, const std::string &name);
  void CleanUp(Session &session, const std::string &sql);
  BranchTask LookTask(const Session &session) const;

  // How it ends.
  void SegmentDone(Session &session, const std::string &outcome);
  void Applied(Session &session);
  // may_repair: another text may not have the error.
  void Rejected(Session &session, const ServerError &error, int statement, bool may_repair);
  // A fix does something else than the original; nothing of it is committed.
  void RefuseFix(Session &session, const std::string &reason);
  void RunAgain(Session &session, const std::string &outcome);
  void Unknown(Session &session, const std::string &detail, const std::string &outcome);
  // Where in the migration's whole text an error of a segment is.
  int Locate(const Session &session, int completed, ServerError *error) const;

  Desk *desk_;
  CreateFlow *creator_;
  FixFlow *fixer_;
};

}  // namespace agent_branch
