// What every flow works with: the interfaces to the inventory outside, and what can be waited
// for.
//
// Each function that returns a wait is to be awaited at once. Texts that say what is waited for are
// what a person would ask for who sees the actor stand still.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/core/flow/waits.hpp"

namespace agent_branch {

// How a flow ended that is run again until its rows ask for nothing more.
struct Next {
  // Ok: look at the rows, now. Otherwise: after a while, with this trouble shown meanwhile.
  Status trouble;
  bool slowly = false;  // only Neon can mend it: the intervals grow up to half an hour
  static Next Look() { return {}; }
  static Next Again(Status why) { return {std::move(why), false}; }
  static Next AgainSlowly(Status why) { return {std::move(why), true}; }
  bool fails() const { return !trouble.ok(); }
};

struct ListedBranches {
  std::string search;  // branches whose name or id contains this; empty: all
  // A name is unique in its project: once this one is found, the rest is not asked for.
  std::string until;
};

class FlowContext {
 public:
  struct Services {
    Inventory *inventory = nullptr;
    Journal *journal = nullptr;
    ApiCalls *calls = nullptr;
    Operations *operations = nullptr;
    ModelCalls *models = nullptr;
    RunningTasks *tasks = nullptr;
    RunningHelpers *helpers = nullptr;
    ScriptReader *scripts = nullptr;
    BranchRunner *branches = nullptr;
    Store *store = nullptr;
    const Clock *clock = nullptr;
    Random *random = nullptr;
    const Settings *settings = nullptr;
  };

  explicit FlowContext(Services services) : services_(services) {}

  Inventory &inventory() const { return *services_.inventory; }
  Journal &journal() { return *services_.journal; }
  BranchRunner &branches() { return *services_.branches; }
  Store &store() { return *services_.store; }
  const Settings &settings() const { return *services_.settings; }
  Random &random() { return *services_.random; }
  Instant now() const { return services_.clock->Now(); }
  int64_t unix_time() const { return services_.clock->UnixTime(); }
  milliseconds Backoff(const BackoffPolicy &policy, int failures) {
    return BackoffDelay(policy, failures, *services_.random);
  }

  // --- What can be waited for.
  CommitWait Commit(Actor &actor) { return CommitWait(&actor, services_.journal); }
  PauseWait Pause(Actor &actor, milliseconds delay, std::string what) {
    return PauseWait(&actor, now() + delay, std::move(what));
  }
  ApiWait Call(Actor &actor, ApiCall call);
  OperationsWait AwaitOperations(Actor &actor, Operations::Request request) {
    return OperationsWait(&actor, services_.operations, std::move(request));
  }
  ModelWait AskModel(Actor &actor, ModelQuestion question) {
    return ModelWait(&actor, services_.models, std::move(question));
  }
  bool has_helpers() const { return services_.helpers->available(); }
  // In a process of its own; only if there are helpers.
  HelperWait Help(Actor &actor, HelperTask task, std::string what) {
    return HelperWait(&actor, services_.helpers, std::move(task), std::move(what));
  }
  // A task for as long as the object lives; its limits are the project's.
  RunningTask Start(Actor &actor, const Project &project, BranchTask task, std::string what);

  // --- Made of these.
  // Every page of a list of branches, or an error, never a part that looks like all. The call says
  // for whom, and how urgent it is.
  Flow<Result<std::vector<NeonBranch>>> ListBranches(Actor &actor, ApiCall like,
                                                     ListedBranches which);
  // The branch with this id. A 404 is believed only when the project's list does not have the
  // branch either: a key that lost its scope is answered 404, too, but gets no list. Nothing: it is
  // gone.
  Flow<Result<std::optional<NeonBranch>>> ReadBranch(Actor &actor, ApiCall like, std::string id);
  // Reads a migration's text: a long one in a process of its own, since reading may take long.
  // Fails when there was none to be had; a text that cannot be read is a script that is refused.
  Flow<Result<Script>> ReadScript(Actor &actor, std::string sql);
  // The whole of a task that has one event.
  Flow<BranchEvent> Run(Actor &actor, const Project &project, BranchTask task, std::string what);

  // --- The actor's step.
  // Opens a step: it is in the database once the next Commit() is awaited.
  void Intend(Actor &actor, const Project &project, int64_t session_id, StepKind kind,
              std::string target);
  // Closes the actor's open step, if there is one: done, or without effect.
  void CloseStep(Actor &actor, bool done, const std::string &outcome);

 protected:
  Services services_;
};

// "message", with the detail in a line of its own, cut to what a table takes.
std::string ErrorText(const Status &why);

}  // namespace agent_branch
