// Admission: every call to the API goes through here, and waits here until it may go.
//
// A call goes when its key works, the budget has a request left, its project takes another change
// (if it is one) and a connection is free, in the order of CallQueue. Answers that mean "nothing
// happened, come back" are dealt with here too: the caller sees only what is final, or that the
// outcome of a change is unknown.
//
// How many changes a project takes at once is learned, since Neon has not published which of them
// exclude each other: it begins with one, grows with each that is accepted, and halves when Neon
// answers 423, which means that nothing happened.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "worker/core/base/backoff.hpp"
#include "worker/core/neon/budget.hpp"
#include "worker/core/neon/call_queue.hpp"
#include "worker/core/neon/call_report.hpp"
#include "worker/core/neon/http_message.hpp"
#include "worker/core/neon/response_class.hpp"
#include "worker/core/state/inventory.hpp"
#include "worker/core/state/journal.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

struct ApiAnswer {
  ResponseClass classified;
  std::string body;        // when kDone
  std::string request_id;  // Neon's own, else ours
};

struct ApiCall {
  Priority priority = Priority::kCreate;
  Project *project = nullptr;  // outlives the call
  int64_t session_id = 0;      // 0: on the project's own behalf
  // Whoever may have the project reserved for itself.
  const void *on_behalf_of = nullptr;
  NeonRequest request;
  // For a change: which step it is. The step is intended when the call's turn comes, and recorded
  // here unless its outcome is unknown.
  std::optional<StepKind> step;
  std::string step_target;
  // The call is not to wait out a busy project, a failing key and the like: `done` is told at once,
  // of any kind, and looks again at what the call rests on before it is made anew.
  bool returns_unsent = false;
  // Not to be sent after this: what it rests on was true until then. It is given back, unsent.
  std::optional<Instant> valid_until;
  // kind is one of kDone, kNotFound, kExists, kPlan, kLimit, kRefused and, for a change, kUnknown;
  // the step is the one to reconcile in that last case. Of a call that is given back, any.
  std::function<void(const ApiAnswer &, const StepRow &)> done;
  // Called with the reason each time the call has to be tried again for something that a person
  // should know, and with an ok() status when it is over.
  std::function<void(const Status &)> trouble;
};

class ApiCalls {
 public:
  struct Services {
    HttpTransport *http = nullptr;
    Journal *journal = nullptr;
    KeyRing *keys = nullptr;
    BudgetSource *budgets = nullptr;
    const Clock *clock = nullptr;
    Random *random = nullptr;
    const Settings *settings = nullptr;
    CallObserver *observer = nullptr;  // null: nobody counts
  };
  explicit ApiCalls(Services services);
  ~ApiCalls();
  ApiCalls(const ApiCalls &) = delete;
  ApiCalls &operator=(const ApiCalls &) = delete;

  uint64_t Enqueue(ApiCall call);
  // Whether Cancel() would take the call back: it has not been sent, or changes nothing.
  bool MayCancel(uint64_t id) const;
  // False: it has to be waited for.
  bool Cancel(uint64_t id);
  // Nobody waits for the call any more: it is taken back, or its end is recorded and told nobody.
  void Abandon(uint64_t id);
  // Steps of this owner cannot be written: what waits to be sent behind one is not sent.
  void SetAside(const Owner &owner);
  void OnCompletion(const HttpCompletion &completion);
  // Lets every call go that may go now; changes go with the journal's next commit.
  void Dispatch();
  // When Dispatch() could let another one go; nothing if only an event can tell.
  std::optional<Instant> NextDeadline() const;
  // The settings or the keys' files may have changed: what waits for a key is tried at once.
  void Reconfigure();

  // The project has another key file: its waiting calls wait for that key.
  void OnKeyFile(const Project &project);

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
    RequestBudget polls;  // what calls that only wait may spend of it
    CallQueue queue;
    int failures = 0;
    Instant closed_until{0};
    int under_way = 0;
    Status why;
  };
  // A project that the key may not see: its trouble alone.
  struct Closure {
    int failures = 0;
    Instant until{0};
  };
  // What keeps a waiting call back, and when that is over: now or later; nothing, if only an event
  // can tell.
  struct Gate {
    std::string waits_for;
    std::optional<Instant> when;
  };

  std::string MakeRequestId();
  KeyState &KeyOf(const std::string &file);
  void ConfigureBudgets(KeyState &key);
  Gate GateOf(const Call &call, Instant now);
  Gate GateOfChange(const Call &call, Instant now) const;
  Gate GateOfBudget(const Call &call, KeyState &key, Instant now) const;
  void DispatchKey(KeyState &key, Instant now);
  void ConsiderDeadline(std::optional<Instant> when);
  // Puts calls back into the queue whose time to be tried again has come.
  void Requeue(Instant now);
  void ReturnStale(Instant now);
  // Tells of calls that were sent and are not answered for long.
  void NoticeSilence(Instant now);
  // False: another process has spent what was left of the budget.
  bool Admit(Call &call);
  void Send(uint64_t id);
  HttpRequest MakeRequest(const Call &call, const Secret &key);
  void Report(const Call &call, const ResponseClass &classified, int http_status) const;
  void Finish(Call &call, const ResponseClass &classified, std::string body);
  void Retry(Call &call, const ResponseClass &classified);
  void PutOff(Call &call, const ResponseClass &classified);
  void ReturnUnsent(Call &call, const ResponseClass &classified);
  void FailKey(KeyState &key, const std::string &file, const ResponseClass &classified);
  void OpenKey(KeyState &key);
  void Trouble(Call &call, const Status &why);
  void Release(Call &call);
  void TakeOut(Call &call);
  Call *Find(uint64_t id) const;

  Services services_;
  std::string api_url_;
  std::map<uint64_t, std::unique_ptr<Call>> calls_;  // in the order they came
  std::map<std::string, KeyState> keys_;
  std::map<int64_t, Closure> closures_;            // by project
  std::set<std::pair<Instant, uint64_t>> later_;   // to be tried again then
  std::set<std::pair<Instant, uint64_t>> stale_;   // not to be sent after
  std::deque<std::pair<Instant, uint64_t>> sent_;  // in the order they were sent
  std::optional<Instant> next_deadline_;
  uint64_t next_id_ = 1;
  size_t waiting_ = 0;
  size_t under_way_ = 0;
  int64_t sent_total_ = 0;
};

}  // namespace agent_branch
