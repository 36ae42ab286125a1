// Whether nothing at all was written to the parent since a session began.
//
// A restore replaces the parent by the branch: rows, sequences, other databases, roles. So the
// proof is about all of these at once: the next transaction id is still the one of the fork, no
// transaction is under way, and no sequence has moved (standpoint.hpp). One step of doubt means no.
#pragma once

#include <string>

#include "worker/core/merge/parent_now.hpp"

namespace agent_branch {

struct StillProof {
  bool known = true;       // where it stood when the session's branch was made
  std::string moved;       // what did, or could not be told, as a clause; empty: nothing
  std::string standpoint;  // of the parent now
};

class StillProver {
 public:
  StillProver(SessionContext *context, ParentReader *parent) : context_(context), parent_(parent) {}

  // Fails when the parent cannot be asked now.
  Flow<Result<StillProof>> Prove(Session &session);

 private:
  SessionContext *context_;
  ParentReader *parent_;
};

// A script for a transaction that keeps others from writing to any table that the role may write
// to, without taking a transaction id itself. What is not locked (nextval(), new tables, tables of
// others) moves the standpoint.
std::string LockTablesScript();

}  // namespace agent_branch
