// How a merge ends: what every strategy may conclude.
#pragma once

#include <string>
#include <vector>

#include "worker/core/session/session_context.hpp"

namespace agent_branch {

class MergeEnd {
 public:
  explicit MergeEnd(SessionContext *context) : context_(context) {}

  // The parent has what the branch has.
  void Merged(Session &session);
  // Refused, and the parent is untouched: the state kConflict.
  void Refuse(Session &session, const Status &why, std::vector<ConflictRow> conflicts);
  // Begun, and did not come to its end: the state kFailed.
  void Broken(Session &session, const Status &why);
  // The session was given up before the parent was touched.
  void Cancel(Session &session);

 private:
  void End(Session &session, const std::string &status, const std::string &reason);

  SessionContext *context_;
};

}  // namespace agent_branch
