// Where a server stood at a moment, and whether anything was written to it since.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

// What the task kStandpoint answers. The transaction id is the whole cluster's; sequences are one
// database's, so that a proof takes one standpoint in each database that admits connections.
struct Standpoint {
  std::string system_identifier;
  std::string database;
  std::string next_xid;                          // an xid8 in decimal
  bool quiet = false;                            // no transaction that has an id is under way
  std::map<std::string, std::string> sequences;  // name → last value, "" where never called
  int64_t unread_sequences = 0;                  // these may have moved without a trace
  std::vector<std::string> other_databases;
};

// Fails with 22P02 when the text is no such answer.
Result<Standpoint> ReadStandpoint(std::string_view json);

// Empty: nothing was written to this database between the two, nor, but for their sequences, to the
// others. Else what moved or could not be told, as a clause for people.
//
// Both are of one branch between two restores, which the caller knows by the branch's id and its
// last_reset_at: the ids of two histories say nothing about each other. The first one need not be
// quiet to be compared, but is no proof then: a transaction that it saw under way may have
// committed since without a further id.
std::string WhatMoved(const Standpoint &then, const Standpoint &now);

// The standpoint of a branch with a transaction that the worker itself committed there later; as it
// was, when either cannot be read.
std::string WithOwnTransaction(std::string_view standpoint, std::string_view transaction_id);
// The standpoint after the transaction, where that was the first one since; else as it was.
std::string MovedOn(std::string_view standpoint, std::string_view transaction_id);
// Those that were added: JSON arrays of a first id and the one behind the last, a comma between
// them.
std::string OwnTransactions(std::string_view standpoint);

}  // namespace agent_branch
