// What every flow does with a session, in one place: save it, move it on, let it wait.
//
// A flow is driven when its session has nothing under way; it does one thing, which ends by a
// callback, and the session is driven again. Callbacks find the session by its id, since it may
// have been interrupted meanwhile.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "worker/core/fixer/model_calls.hpp"
#include "worker/core/flow/helper_task.hpp"
#include "worker/core/neon/api_calls.hpp"
#include "worker/core/neon/branch_list.hpp"
#include "worker/core/neon/operations.hpp"

namespace agent_branch {

// Whether Neon has another expiry for the session's branch than the session has, and can be told.
bool ExpiryDiffers(const Session &session, int64_t now);

// SQLSTATE of the refusal of a text that could not be read in time.
inline constexpr std::string_view kNotRead = "54001";

class Desk {
 public:
  struct Parts {
    World *world = nullptr;
    Journal *journal = nullptr;
    ApiCalls *calls = nullptr;
    Operations *operations = nullptr;
    ModelCalls *models = nullptr;
    BranchRunner *branches = nullptr;
    Store *store = nullptr;
    const Clock *clock = nullptr;
    Random *random = nullptr;
    const Settings *settings = nullptr;
    ScriptReader *scripts = nullptr;
    HelperRunner *helpers = nullptr;  // null: everything is read here
  };
  using OnAnswer = std::function<void(Session &, const ApiAnswer &)>;
  using OnFound = std::function<void(Session &, const Result<std::vector<NeonBranch>> &)>;
  using OnEvent = std::function<void(Session &, const BranchEvent &)>;
  using OnSession = std::function<void(Session &)>;
  using OnFailures = std::function<void(Session &, const std::vector<NeonOperation> &failed)>;

  explicit Desk(Parts parts) : parts_(parts) {}

  World &world() { return *parts_.world; }
  Journal &journal() { return *parts_.journal; }
  ApiCalls &calls() { return *parts_.calls; }
  Operations &operations() { return *parts_.operations; }
  BranchRunner &branches() { return *parts_.branches; }
  Store &store() { return *parts_.store; }
  const Settings &settings() const { return *parts_.settings; }
  Random &random() { return *parts_.random; }
  Instant now() const { return parts_.clock->Now(); }
  int64_t unix_time() const { return parts_.clock->UnixTime(); }
  milliseconds Backoff(const BackoffPolicy &policy, int failures) {
    return BackoffDelay(policy, failures, *parts_.random);
  }
  Project &ProjectOf(const Session &session);

  void Save(Session &session);
  // Changes the state, which ends any trouble.
  void MoveTo(Session &session, SessionState state);
  // The state kFailed with the reason; what was queued behind is cancelled.
  void Fail(Session &session, const Status &why);
  // Forgets the session's merge, whose row is written, and gives its turn to the next one.
  void LeaveMerge(Session &session);
  // The reason that a conflict or a failure is about.
  void SetReason(Session &session, const Status &why);
  // Shows the reason and tries again after a while.
  void TryAgain(Session &session, const Status &why);
  void ShowTrouble(Session &session, const Status &why);
  void Pause(Session &session, milliseconds delay);

  // A call that reads.
  void Ask(Session &session, Priority priority, NeonRequest request, OnAnswer then);
  // Branches whose name is `name`: none or one, in a vector, or why they could not be listed.
  void FindBranch(Session &session, Priority priority, const std::string &name, OnFound then);
  // After a 404 for the session's branch: a key that lost its scope is answered so too, but gets no
  // list. `then` is called when the project's list does not have the branch; else it tries again.
  void ConfirmGone(Session &session, OnSession then);
  // A call that changes: a step of this kind. With an unknown outcome the session is left
  // uncertain, with the step open, and `then` is not called.
  void Change(Session &session, Priority priority, NeonRequest request, StepKind kind,
              std::string target, OnAnswer then);
  // The same, but `then` is told too when nothing has happened (ApiCall::give_back).
  void ChangeNow(Session &session, Priority priority, NeonRequest request, StepKind kind,
                 std::string target, OnAnswer then);
  // Notes the operations in the session's row and waits for them.
  void AwaitOperations(Session &session, const std::vector<NeonOperation> &operations,
                       OnFailures then);
  // Waits for those that the row names, after a restart.
  void ResumeOperations(Session &session, OnFailures then);
  void AwaitBranch(Session &session, const std::string &branch_id, OnFailures then);
  // Runs a task; its id and kind of events are the runner's. `then` sees every event.
  void Run(Session &session, BranchTask task, OnEvent then);
  // A call of the fixer's model.
  using OnModel = std::function<void(Session &, const ModelAnswer &, milliseconds took)>;
  void AskModel(Session &session, ModelQuestion question, OnModel then);
  // Runs a task in a process of its own.
  using OnHelper = std::function<void(Session &, const HelperEvent &)>;
  void Help(Session &session, HelperTask task, OnHelper then);
  bool has_helpers() const { return parts_.helpers != nullptr; }
  // Reads a migration's text: a short one at once, one that may take long in a helper. A text that
  // cannot be read in time is a script that is refused.
  using OnScript = std::function<void(Session &, const std::shared_ptr<const Script> &)>;
  void ReadScript(Session &session, const std::string &sql, OnScript then);
  // Opens a step and goes on once it is committed: for effects that are no API calls.
  void Intend(Session &session, StepKind kind, std::string target, OnSession then);
  // Closes the session's open step: done, or without effect.
  void CloseStep(Session &session, bool done, const std::string &outcome);
  // After failures to reach the branch: fails the session when Neon no longer has the branch.
  void TryAgainIfBranchExists(Session &session, const Status &why);
  // Saves the session and goes on once that is committed.
  void Commit(Session &session, OnSession then);

  // Ends what the session waits for, if that can be ended; whatever it was had no effect.
  void Interrupt(Session &session);
  void OnBranchEvent(const BranchEvent &event);
  void OnHelperEvent(const HelperEvent &event);
  // Makes the session ready to be driven.
  void Resume(Session &session);
  std::set<int64_t> TakeRunnable();
  bool has_runnable() const { return !runnable_.empty(); }

 private:
  void Begin(Session &session, Activity activity, uint64_t id);
  void Enqueue(Session &session, ApiCall call, OnAnswer then);
  void List(Session &session, BranchListing listing, OnFound then);
  ApiCall MakeCall(Session &session, Priority priority, NeonRequest request);
  Operations::Done OnOperationsEnded(Session &session, OnFailures then);

  Parts parts_;
  std::set<int64_t> runnable_;
  std::map<uint64_t, std::pair<int64_t, OnEvent>> tasks_;
  std::map<uint64_t, std::pair<int64_t, OnHelper>> helps_;
  uint64_t next_task_id_ = 1;
};

}  // namespace agent_branch
