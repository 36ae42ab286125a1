// A session's migrations, one after the other, each in one transaction as far as it can be.
//
// A migration is carried out segment by segment (script/segments.hpp). A segment in a transaction
// is proven by the transaction's id, one that stands alone by what it was about. Where a migration
// is stands in its row, so that the flow, run again, goes on from there.
#pragma once

#include <string>

#include "worker/core/fixer/fix_flow.hpp"
#include "worker/core/flow/transaction_run.hpp"
#include "worker/core/session/connection_uris.hpp"

namespace agent_branch {

class MigrateFlow {
 public:
  MigrateFlow(SessionContext *context, ConnectionUris *uris, FixFlow *fixer)
      : context_(context), uris_(uris), fixer_(fixer) {}

  // state kMigrating.
  Flow<Next> Run(Session &session);

 private:
  // --- migrate_flow.cpp: from one segment to the next.
  Flow<Next> Prepare(Session &session);
  Flow<Next> WeighRisks(Session &session);
  // Whether what was done in a transaction may be committed.
  Status JudgeDone(Session &session, const BranchEvent &ready);
  Flow<Next> NextSegment(Session &session);
  Flow<Next> RunSegment(Session &session, Segment segment);
  Flow<Next> Reconcile(Session &session);
  // As it was read when it was asked for, else as it is read now.
  Flow<Result<Script>> ReadScript(Session &session);
  // Null when no statement is left, or the text is read otherwise than when it began.
  const Segment *CurrentSegment(const Session &session) const;
  void NoteIntent(Session &session);
  BranchTask TaskFor(const Session &session, const Segment &segment) const;
  Result<std::string> SegmentText(const Session &session, const Segment &segment);
  Flow<Next> OnTransaction(Session &session, Segment segment, TransactionEnd end);
  Flow<Next> OnLost(Session &session, BranchEvent event);

  // --- migrate_alone.cpp: statements that cannot stand in a transaction.
  Flow<Next> RunAlone(Session &session, Segment segment);
  Flow<Next> LookAfter(Session &session);
  Flow<Next> Decide(Session &session, Segment segment, std::string answer);
  Flow<Next> CleanUp(Session &session, Segment segment, std::string sql);
  BranchTask LookTask(const Session &session, const Segment &segment) const;

  // --- migrate_asking.cpp: what the branch is asked about how a segment ended.
  // The notices with what there is under names that were taken already.
  Flow<std::string> TellNotices(Session &session, Segment segment, BranchEvent event);
  static std::string SaidOnly(const Session &session, const Segment &segment,
                              const BranchEvent &event);
  // A lock was not to be had, and it is asked for again a bounded number of times.
  bool MayTryAgain(Session &session, const ServerError &error);
  Flow<> AwaitLock(Session &session);
  // Who holds locks on what the statement names, as sentences; "" if nobody does any more.
  Flow<std::string> AskBlockers(Session &session, Segment segment, int statement);

  // --- migrate_outcome.cpp: how a segment and a migration end.
  int Locate(const Session &session, const Segment &segment, int completed,
             ServerError *error) const;
  // notices: what the server said, see notices.hpp.
  void SegmentDone(Session &session, const Segment &segment, const std::string &outcome,
                   const std::string &notices = "");
  void Applied(Session &session);
  // may_repair: the text itself may be at fault, so that the fixer may mend it. said: a record of
  // no more than notices.
  Flow<> Rejected(Session &session, ServerError error, int statement, bool may_repair,
                  std::string said = "");
  Flow<> RefuseFix(Session &session, std::string reason);
  void GiveUpRepair(Session &session, const ServerError &error);
  void RunAgain(Session &session, const std::string &outcome);
  void Unknown(Session &session, const std::string &detail, const std::string &outcome);

  static ServerError AsServerError(const Status &status);
  static void AddLine(const std::string &line, std::string *text);

  SessionContext *context_;
  ConnectionUris *uris_;
  FixFlow *fixer_;
};

}  // namespace agent_branch
