// Waiting for operations at Neon: one list call a project, however many wait.
//
// A 2xx answer to a change is a receipt, not the end of it: the change is over when every operation
// of the answer has ended (reference/api, "Operations"). When to look follows what operations
// of that kind took in the project before, so that an answer is neither late nor asked for in vain.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/core/neon/api_calls.hpp"

namespace agent_branch {

class Operations {
 public:
  // failed: those that ended without success; empty: all went well.
  using Done = std::function<void(const std::vector<NeonOperation> &failed)>;

  Operations(ApiCalls *calls, const Clock *clock) : calls_(calls), clock_(clock) {}

  // Waits for the operations of an answer; `done` may be called at once, when all have ended in it.
  void Watch(Project *project, const std::vector<NeonOperation> &operations, Done done);
  // The same after a restart, when only the ids are known.
  void WatchIds(Project *project, const std::vector<std::string> &ids, Done done);
  // Waits until no operation of the branch is under way: when the answer that named them was lost.
  void WatchBranch(Project *project, const std::string &branch_id, Done done);

  // Polls what is due.
  void Advance();
  std::optional<Instant> NextDeadline() const;

 private:
  struct Waiting {
    std::set<std::string> ids;
    std::string branch_id;  // set: all operations of this branch
    std::vector<NeonOperation> failed;
    Done done;
    std::string kind;  // the last operation's action: what the time it takes goes by
    Instant since{0};
    Instant next{0};
    bool asked = false;  // a list was asked for since
  };
  struct Poller {
    std::vector<Waiting> waiting;
    std::map<std::string, milliseconds> expected;  // by kind
    bool asking = false;
    std::set<std::string> asked_alone;  // operations that are asked for one by one now

    std::optional<Instant> Next() const;
  };

  // Not by address: what goes first must not depend on chance, or no run could be repeated.
  struct ById {
    bool operator()(const Project *a, const Project *b) const { return a->row.id < b->row.id; }
  };

  void Add(Project *project, Waiting waiting);
  void Ask(Project *project, Poller &poller);
  void OnList(Project *project, const ApiAnswer &answer);
  void AskOne(Project *project, const std::string &id);
  void Ended(Project *project, const NeonOperation &operation);
  void Schedule(Poller &poller);
  milliseconds Expected(const Poller &poller, const Waiting &waiting) const;
  void Settle(Project *project, Poller &poller);

  ApiCalls *calls_;
  const Clock *clock_;
  std::map<Project *, Poller, ById> pollers_;
};

}  // namespace agent_branch
