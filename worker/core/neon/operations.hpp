// Waiting for operations at Neon: one list call a project, however many wait.
//
// A 2xx answer to a change is a receipt, not the end of it: the change is over when every operation
// of the answer has ended. When to look is learned from what operations of that kind say that they
// took, so that the end is noticed soon and not asked for in vain; the intervals grow with the time
// that has passed. One that does not end in time is given up: whoever waits is told, and reads the
// branch, whose state decides.
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
  // failed: those that ended without success, or were given up; empty: all went well.
  using Done = std::function<void(const std::vector<NeonOperation> &failed)>;

  // What to wait for: operations of an answer, or their ids, when only these are known after a
  // restart, or all operations of a branch, when the answer that named them was lost.
  struct Request {
    Project *project = nullptr;
    std::vector<NeonOperation> operations;
    std::vector<std::string> ids;
    std::string branch_id;
    Done done;  // may be called at once, when all have ended
  };

  Operations(ApiCalls *calls, const Clock *clock) : calls_(calls), clock_(clock) {}

  // Returns a ticket for Forget(); 0: `done` was called.
  uint64_t Watch(Request request);
  // Nobody waits any more.
  void Forget(uint64_t ticket);
  // What is waited for, in words.
  std::string Describe(uint64_t ticket) const;

  // Polls what is due.
  void Advance();
  std::optional<Instant> NextDeadline() const;

 private:
  struct Waiting {
    uint64_t ticket = 0;
    std::set<std::string> ids;
    std::string branch_id;  // set: all operations of this branch
    std::vector<NeonOperation> failed;
    Done done;
    std::string action;  // of the last operation: what the time it takes goes by
    Instant since{0};
    Instant next{0};
    bool asked = false;  // a list was asked for since
  };
  struct Poller {
    std::vector<Waiting> waiting;
    std::map<std::string, milliseconds> took;  // by action
    bool asking = false;
    std::set<std::string> asked_alone;  // operations that are asked for one by one now
    std::optional<Instant> due;
  };

  void Add(Project *project, Waiting waiting);
  void Ask(Project *project, Poller &poller);
  void OnList(Project *project, const ApiAnswer &answer);
  void AskForMissing(Project *project, const NeonOperationPage &page);
  void AskOne(Project *project, const std::string &id);
  void Ended(Project *project, const NeonOperation &operation);
  void Learn(Poller &poller, const NeonOperation &operation);
  // What an operation of this kind is expected to take; nothing: not known.
  std::optional<milliseconds> Expected(const Poller &poller, const std::string &action) const;
  void ScheduleNext(Poller &poller);
  void GiveUpLate(Poller &poller);
  void SetDue(Project *project, Poller &poller);
  void Settle(Project *project, Poller &poller);

  ApiCalls *calls_;
  const Clock *clock_;
  std::map<Project *, Poller, ProjectById> pollers_;
  std::map<uint64_t, Project *> projects_;  // by ticket
  std::map<std::string, milliseconds> took_anywhere_;
  std::set<std::pair<Instant, int64_t>> due_;  // with the project's id
  std::map<int64_t, Project *> by_id_;
  uint64_t next_ticket_ = 1;
};

}  // namespace agent_branch
