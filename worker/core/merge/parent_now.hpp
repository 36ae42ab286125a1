// The parent of a session as it is now: which branch at Neon that is, and what its schema holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "worker/core/merge/three_way.hpp"
#include "worker/core/session/connection_uris.hpp"

namespace agent_branch {

struct ParentNow {
  std::string branch_id;
  std::string last_reset_at;
  // Not restored since the session's branch was made, so that transaction ids of then mean
  // something.
  bool same_history = false;
  std::string fingerprint;
  ObjectMap objects;
  std::map<std::string, int64_t> tables;  // as in BranchNow
};

class ParentReader {
 public:
  ParentReader(SessionContext *context, ConnectionUris *uris) : context_(context), uris_(uris) {}

  // Finds the parent by its name, unless it was seen seconds ago, and asks for its URIs where they
  // are not known. Fails when it cannot be asked now, and for good with 55000 when another branch
  // has the parent's name, or none.
  Flow<Result<ParentNow>> Find(Session &session);
  // The same, and reads its schema.
  Flow<Result<ParentNow>> Look(Session &session);
  // Who holds locks on these tables of the parent, as sentences for an error's detail; of any,
  // where nobody holds one on these. "" where nobody does, or it cannot be told.
  Flow<std::string> Blockers(Session &session, std::vector<std::string> tables);
  // After a task on the parent that did not run.
  Status Trouble(Session &session, const BranchEvent &event);

 private:
  Flow<Status> See(Session &session);

  SessionContext *context_;
  ConnectionUris *uris_;
};

}  // namespace agent_branch
