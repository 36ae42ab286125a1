// What went wrong for whom: the reasons that may make another end right than the one that was asked
// for. The models write it down as they do it; JudgeDuty() reads it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/base/clock.hpp"

namespace agent_branch::simulation {

enum class Harm {
  kOperationFailed,  // an operation on this branch, or on that of this session's uuid
  kBranchTaken,      // others deleted, protected or changed this branch, or hung another below it
  kExpired,          // this branch, or that of this session, by Neon itself
  kAnswerGarbled,    // of a read of this branch, or of one of this session's
  kFateUnknown,      // of a statement of this migration that runs alone: its end was not told
  kNameTaken,        // a branch of others has this name ("project name")
  kRestoreUndone,    // of the session with this uuid
  kUnrecorded,  // rows were written on the branch of the session with this uuid, by no migration
  kStandpointUnread,  // the parent of this project could not say where it stands, several times
  kParentLocked,      // the parent of this project was protected for a while
};

class Harms {
 public:
  void Note(Harm harm, const std::string &whom) { harms_.emplace(harm, whom); }
  bool Has(Harm harm, const std::string &whom) const { return harms_.count({harm, whom}) > 0; }

  // When the branch of a session was made, the first if there were several.
  void NoteFork(const std::string &uuid, Instant when) { forks_.emplace(uuid, when); }
  std::optional<Instant> ForkOf(const std::string &uuid) const {
    auto found = forks_.find(uuid);
    return found == forks_.end() ? std::nullopt : std::optional(found->second);
  }
  // uuid: of the session whose merge it was; empty: somebody else's change.
  void NoteParentChange(const std::string &project, Instant when, const std::string &uuid) {
    parents_[project].emplace_back(when, uuid);
  }
  void DropParentChange(const std::string &project, const std::string &uuid) {
    auto &changes = parents_[project];
    for (auto at = changes.begin(); at != changes.end();)
      at = at->second == uuid ? changes.erase(at) : at + 1;
  }
  // When a session's merge last changed the parent.
  std::optional<Instant> MergeOf(const std::string &project, const std::string &uuid) const {
    std::optional<Instant> last;
    auto found = parents_.find(project);
    if (found == parents_.end()) return last;
    for (const auto &[when, whose] : found->second)
      if (whose == uuid) last = when;
    return last;
  }
  // By anybody but the session itself. Neon tells times in whole seconds, so that a fork and a
  // restore within `tolerance` may look the same.
  bool ParentChangedSince(const std::string &project, Instant fork, const std::string &uuid,
                          milliseconds tolerance) const {
    auto found = parents_.find(project);
    if (found == parents_.end()) return false;
    for (const auto &[when, whose] : found->second) {
      if (whose != uuid && when + tolerance >= fork) return true;
    }
    return false;
  }

 private:
  std::set<std::pair<Harm, std::string>> harms_;
  std::map<std::string, Instant> forks_;
  std::map<std::string, std::vector<std::pair<Instant, std::string>>> parents_;
};

}  // namespace agent_branch::simulation
