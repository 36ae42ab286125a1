// A transaction on somebody's database whose id is noted before its COMMIT is sent.
//
// That is what makes a lost answer decidable: the database is asked what became of the transaction
// with that id. Migrations run so on their branch, and a merge by replay on the parent.
#pragma once

#include <functional>

#include "worker/core/flow/context.hpp"

namespace agent_branch {

struct TransactionCalls {
  // All statements ran: an ok() status lets them be committed, another one rolls them back.
  std::function<Status(const BranchEvent &ready)> judge;
  // Asked after judge() has let it pass, and as judge() is; empty: nothing more is looked at.
  std::function<Flow<Status>()> look;
  // Notes the transaction's id in the row that is looked at after a crash.
  std::function<void(const BranchEvent &ready)> note;
  // Once COMMIT may have been sent, its answer is waited for, whatever interrupts the actor.
  bool hold = false;
};

struct TransactionEnd {
  BranchEvent event;  // the last one
  Status refusal;     // of judge(): rolled back
};

Flow<TransactionEnd> RunTransaction(FlowContext &context, Actor &actor, const Project &project,
                                    BranchTask task, std::string what, TransactionCalls calls);

// What the transaction did, which is a JSON object (BranchEvent.record), with the transaction's id.
std::string WithTransaction(const std::string &record, const std::string &id);

}  // namespace agent_branch
