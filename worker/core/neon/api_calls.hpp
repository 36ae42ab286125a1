// Admission: every call to the API goes through here, and waits here until it may go.
//
// A call goes when its key works, the budget has a request left, its project has no other change
// under way (if it is a change itself) and a connection is free; cleanup first, then merges, then
// migrations, then new branches, and first come, first served among equals. Answers that mean
// "nothing happened, come back" are dealt with here too: the caller sees only what is final, or
// that the outcome of a change is unknown.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>

#include "worker/core/base/backoff.hpp"
#include "worker/core/neon/budget.hpp"
#include "worker/core/neon/http_message.hpp"
#include "worker/core/neon/verdict.hpp"
#include "worker/core/state/journal.hpp"
#include "worker/core/state/store.hpp"
#include "worker/core/state/world.hpp"

namespace agent_branch {

enum class Priority { kPoll, kCleanup, kMerge, kMigrate, kCreate };

struct ApiAnswer {
  Verdict verdict;
  std::string body;  // when kDone
};

struct ApiCall {
  Priority priority = Priority::kCreate;
  Project *project = nullptr;  // outlives the call
  int64_t session_id = 0;      // 0: on the project's own behalf
  NeonRequest request;
  // For a change: which step it is. The step is intended when the call's turn comes, and recorded
  // here unless its outcome is unknown.
  std::optional<StepKind> step;
  std::string step_target;
  // The call is not to wait out a busy project, a failing key and the like: `done` is told at once,
  // of any kind, and looks again at what the call rests on before it is made anew.
  bool give_back = false;
  // kind is one of kDone, kNotFound, kExists, kPlan, kLimit, kRefused and, for a change, kUnknown;
  // the step is the one to reconcile in that last case.
  std::function<void(const ApiAnswer &, const StepRow &)> done;
  // Called with the reason each time the call has to be tried again for something that a person
  // should know, and with an ok() status when it is over.
  std::function<void(const Status &)> trouble;
};

class ApiCalls {
 public:
  struct Parts {
    HttpTransport *http = nullptr;
    Journal *journal = nullptr;
    KeyRing *keys = nullptr;
    BudgetSource *budgets = nullptr;
    const Clock *clock = nullptr;
    Random *random = nullptr;
    const Settings *settings = nullptr;
  };
  explicit ApiCalls(Parts parts);
  ~ApiCalls();
  ApiCalls(const ApiCalls &) = delete;
  ApiCalls &operator=(const ApiCalls &) = delete;

  uint64_t Enqueue(ApiCall call);
  // Takes a call back, if it has not been sent or changes nothing. False: it has to be waited for.
  bool Cancel(uint64_t id);
  void OnCompletion(const HttpCompletion &completion);
  // Lets every call go that may go now; changes go with the journal's next commit.
  void Dispatch();
  // When Dispatch() could let another one go; nothing if only an event can tell.
  std::optional<Instant> NextDeadline() const;
  // The settings or the keys' files may have changed: what waits for a key is tried at once.
  void Reconfigure();

  // What the call waits for, in words; empty when it is not there or may go.
  std::string WhyWaits(uint64_t id);

  size_t waiting() const { return waiting_; }
  size_t under_way() const { return under_way_; }
  int64_t sent_total() const { return sent_total_; }
  int budget_left() const;
  // Called for each request sent for a session.
  std::function<void(int64_t session_id)> on_sent;

 private:
  struct Call;
  // One key, its budget, and whether the API answers to it. After a failure one call at a time
  // probes, so that hundreds of sessions don't all run into a revoked key.
  struct KeyState {
    RequestBudget budget;
    int failures = 0;
    Instant closed_until{0};
    int under_way = 0;
    Status why;
  };
  using CallList = std::list<std::unique_ptr<Call>>;

  KeyState &KeyOf(const std::string &file);
  // What keeps a waiting call back, and when that is over: now or later; nothing, if only an event
  // can tell.
  struct Gate {
    const char *waits_for;
    std::optional<Instant> when;
  };
  Gate GateOf(Call &call, Instant now);
  // Tells of calls that were sent and are not answered for long.
  void NoticeSilence(Instant now);
  // False: another process has spent what was left of the budget.
  bool Admit(Call &call);
  void Send(uint64_t id);
  void Finish(CallList::iterator at, const Verdict &verdict, std::string body);
  void Retry(CallList::iterator at, const Verdict &verdict);
  void PutOff(Call &call, const Verdict &verdict);
  void FailKey(KeyState &key, const std::string &file, const Verdict &verdict);
  void OpenKey(KeyState &key);
  void Trouble(Call &call, const Status &why);
  void Release(Call &call);
  CallList::iterator Find(uint64_t id);

  Parts parts_;
  std::string api_url_;
  CallList calls_;  // in the order they came
  std::map<std::string, KeyState> keys_;
  std::optional<Instant> next_deadline_;
  uint64_t next_id_ = 1;
  size_t waiting_ = 0;
  size_t under_way_ = 0;
  int64_t sent_total_ = 0;
};

}  // namespace agent_branch
