// What conflicts are about, in words: the objects' definitions on both sides, and which of them use
// what the other side changed.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/core/merge/acting_objects.hpp"
#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/replay_judgement.hpp"
#include "worker/core/merge/three_way.hpp"

namespace agent_branch {

// The branch and the parent were asked for something else right before, so that their URIs are
// known.
class ConflictReader {
 public:
  explicit ConflictReader(SessionContext *context) : context_(context) {}

  // Fills in what both sides and the base say, and leaves out what cannot be told. The base's text
  // is told by the side that has not changed it; on_branch: the branch's objects, as hashes.
  Flow<> AddDefinitions(Session &session, ObjectMap on_branch, std::vector<ConflictRow> *conflicts);
  // A refusal when one side made what uses what the other side changed (dependencies.hpp), or when
  // what one side changed acts on rows that the other's migrations wrote (acting_objects.hpp).
  // ours: what the session's wrote; theirs: what those of the merges before it did, as far as they
  // are known; on_parent: the parent's objects, as hashes. Fails when a definition that decides
  // cannot be read now: nothing is known then.
  Flow<Result<std::optional<MergeRefusal>>> WeighDependences(
      Session &session, std::vector<ObjectDifference> differences, WrittenRows ours,
      WrittenRows theirs, ObjectMap on_parent);

 private:
  Flow<Result<ObjectMap>> Definitions(Session &session, bool of_parent,
                                      std::vector<std::string> objects);
  // The names in the texts, and in the definitions that these lead to, beginning with `read`. What
  // is pointed to outlives the flow.
  Flow<Result<UsedNames>> NamesUsed(Session &session, const WrittenRows *written,
                                    std::vector<std::string> read, const ObjectMap *on_parent);
  Flow<Result<std::vector<Dependence>>> Acting(Session &session,
                                               const std::vector<ObjectDifference> *differences,
                                               bool by_branch, const WrittenRows *written,
                                               const std::set<std::string> *refilled,
                                               const ObjectMap *on_parent);

  SessionContext *context_;
};

}  // namespace agent_branch
