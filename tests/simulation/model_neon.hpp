// A model of Neon: what its API reference promises, strict, and over virtual time.
//
// Beside what Neon knows of a branch the model knows who made it and what is in it, so that it can
// say of each request whether it was the worker's to send, and of each restore whether anything was
// lost by it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/chance.hpp"
#include "tests/simulation/harms.hpp"
#include "tests/simulation/witness.hpp"
#include "worker/core/base/json.hpp"
#include "worker/core/flow/branch_task.hpp"
#include "worker/core/neon/http_message.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch::simulation {

// After a restore from its child the parent hangs under that child, or where it was before: which
// of the two Neon does is not documented.
enum class Topology { kLineage, kFlat };

struct Content {
  // In the order they were applied. What others did to the schema is negative: minus its time.
  std::vector<int64_t> migrations;
  std::vector<int64_t> writes;  // of data: not in the schema's fingerprint
  // Transactions in their order: the worker's own by their ids.
  static constexpr int64_t kRows = -1;
  static constexpr int64_t kSchema = 0;
  std::vector<int64_t> log;
  std::set<std::string> roles;  // login roles of sessions: not in it either

  void Write(int64_t write) {
    writes.push_back(write);
    log.push_back(kRows);
  }
  void Change(int64_t change) {
    migrations.push_back(change);
    log.push_back(kSchema);
  }
  std::string Fingerprint() const;  // 32 hexadecimal digits
  std::string Objects() const;      // as JSON
};

struct ModelBranch {
  enum class Maker { kSetup, kWorker, kBackup, kOthers };
  enum class State { kInit, kResetting, kReady };

  std::string id;
  std::string name;
  std::string parent_id;
  State state = State::kReady;
  bool is_default = false;
  bool is_protected = false;
  int64_t created_at = 0;
  int64_t expires_at = 0;
  int64_t last_reset_at = 0;
  std::map<std::string, std::string> annotation;
  Instant listed_at{0};  // a new backup may be invisible for a moment

  Maker maker = Maker::kOthers;
  std::string session_uuid;   // kWorker
  bool patched_late = false;  // by a request that wandered about
  bool made_late = false;
  bool renamed = false;  // it has made room for another one of its name
  // Others gave it another owner, at this time: it is not ours to delete any more.
  std::optional<Instant> disowned_at;
  uint64_t updated = 0;   // counts the changes of all branches: the order of updated_at
  bool is_awake = false;  // its compute
  bool used_up = false;   // a backup that the parent was restored from
  Content content;
  Instant described_at{-1};  // when its fingerprint was last taken
  Content at_fork;
  std::map<std::string, TransactionFate> transactions;
  // What runs alone makes an index, named by its effect, and may leave half of one.
  std::map<std::string, bool> indexes;  // to whether it is whole
  std::set<std::string> at_work;        // tokens of statements that run without their client
  bool ours() const { return maker == Maker::kWorker || maker == Maker::kBackup; }
};

struct ModelOperation {
  enum class Effect { kNone, kReady, kDelete, kRestored };

  std::string id;
  std::string branch_id;
  std::string action;
  Instant made_at{0};
  Instant ends_at{0};
  std::string outcome = "finished";
  Effect effect = Effect::kNone;
  bool ended = false;
  bool told = false;  // the running worker has read the answer that named it
  // What a restore that fails puts back, and which of the model's records it is.
  std::optional<ModelBranch> before;
  size_t record = 0;
};

struct ModelProject {
  std::string id;
  std::string key;                              // the only one accepted
  std::map<std::string, ModelBranch> branches;  // ids count up
  std::deque<ModelOperation> operations;        // newest last
  std::vector<size_t> running;                  // those of them that have not ended
  int branch_limit = 1000;
  bool bare_only = false;  // the plan refuses compute settings
  bool in_scope = true;    // of the key
  int page_size = 100;
  bool next_on_last_page = true;
  bool tells_uris = true;  // in the answer to a create
  // Of operations: how many a list has, how much it lags, and how long those that ended are known.
  size_t operations_listed = 100;
  milliseconds operations_lag{0};
  milliseconds operations_known{86'400'000};
  int64_t undo_window = 0;  // seconds, of the worker's project
  // Lasting trouble.
  bool forbidden = false;
  bool operations_stuck = false;
  bool deletions_fail = false;
  bool databases_unreachable = false;
  bool lists_endless = false;
  int64_t requests = 0;
  std::set<int64_t> taken_back;  // effects and writes that an undo took from the parent

  ModelBranch *Find(const std::string &branch_id);
  ModelBranch *FindByName(const std::string &name);
  bool HasChildren(const std::string &branch_id) const;
  bool busy() const { return !running.empty(); }
};

// One restore that was done.
struct RestoreRecord {
  std::string project_id;
  std::string backup_name;
  std::string session_uuid;  // of the source
  bool undone = false;       // its operation failed, and the old state was put back
  // Within the second of the one before, and nothing else tells them apart.
  bool indistinct = false;
  bool is_undo = false;  // of that session's merge, from the backup that was made for it
  Content merged;        // what a merge left the parent with
};

// One transaction with a session's migrations that was committed on the parent.
struct ReplayRecord {
  std::string project_id;
  std::string session_uuid;
  std::vector<int64_t> effects;
};

// A branch that is not the worker's to change, as it was made.
struct ForeignRecord {
  std::string project_id;
  std::string branch_id;
  std::string name;
  Content content;
};

class ModelNeon {
 public:
  struct Options {
    Topology topology = Topology::kLineage;
    bool lock_first = false;  // 423 before every other refusal, or after them
    bool gone_is_204 = true;  // else DELETE of what is not there answers 404
    bool lists_annotations = true;
    bool expires = true;  // else expires_at is taken, and nothing comes of it
    double operation_fails = 0;
    // What everything takes that is not a fault is multiplied by this.
    double pace = 1;
  };
  struct Answer {
    int status = 200;
    std::string body;
    std::vector<std::string> operations;  // that it names
  };

  ModelNeon(const VirtualClock *clock, Chance *chance, Witness *witness)
      : clock_(clock), chance_(chance), witness_(witness) {}

  Options options;
  std::map<std::string, ModelProject> projects;
  Harms *harms = nullptr;

  // Carries a request of the worker out. on_time: not one that wandered about and comes now.
  Answer Handle(const HttpRequest &request, bool on_time, Instant sent_at);
  void Touch(ModelBranch &branch) { branch.updated = ++updates_; }
  // Lets operations end again that were stuck.
  void Unstick(ModelProject &project);
  milliseconds Paced(milliseconds usual) const {
    return milliseconds(static_cast<int64_t>(static_cast<double>(usual.count()) * options.pace));
  }
  // Lets operations end and branches expire, as far as their time has come.
  void Settle();

  // A project with a default branch "main" and below it "dev", the parent of sessions.
  ModelProject &AddProject(const std::string &id, const std::string &key);
  ModelBranch &AddBranch(ModelProject &project, const std::string &name,
                         const std::string &parent_id, ModelBranch::Maker maker);
  ModelOperation &AddOperation(ModelProject &project, const std::string &branch_id,
                               const std::string &action, milliseconds duration);
  // By a host that ConnectionUri() has handed out.
  ModelBranch *FindByHost(std::string_view uri, ModelProject **project);
  const std::vector<RestoreRecord> &restores() const { return restores_; }
  const std::vector<ReplayRecord> &replays() const { return replays_; }
  // A session's migrations are about to be committed on the parent: their effects.
  void NoteReplay(ModelProject &project, const SessionRow &session,
                  const std::vector<int64_t> &effects);
  const std::vector<ForeignRecord> &foreign() const { return foreign_; }
  // What a restore of this branch would undo, if somebody has asked for that.
  struct UndoAsked {
    std::string session_uuid;
    bool forced = false;
  };
  std::function<std::optional<UndoAsked>(const ModelBranch &backup)> undo_from;
  // Whether a merge that may still be undone needs it.
  std::function<bool(const ModelBranch &backup)> is_needed;
  // Whether somebody still wants the branch, as the branch of its session.
  std::function<bool(const ModelBranch &branch)> is_live;
  int active_computes = 0;  // that the worker's settings allow in a project
  // The worker read the answer that names these, or forgot all by a crash.
  void Told(const std::vector<std::string> &operation_ids);
  void Forgotten();
  int64_t requests() const { return requests_; }

 private:
  struct Call {
    std::string_view method;
    std::vector<std::string> path;  // below /projects/ID
    std::map<std::string, std::string> query;
    JsonDocument body;
    ModelProject *project = nullptr;
    bool on_time = true;
    Instant sent_at{0};
  };

  Answer Route(Call &call);
  Answer RouteBranch(Call &call);
  Answer Create(Call &call);
  std::optional<Answer> RefuseCreate(Call &call, const std::string &name, ModelBranch *parent);
  Answer Read(Call &call);
  Answer List(Call &call);
  std::vector<const ModelBranch *> Listed(Call &call) const;
  Answer ListEndpoints(Call &call);
  Answer Patch(Call &call);
  Answer Delete(Call &call);
  Answer Restore(Call &call);
  std::optional<Answer> RefuseRestore(Call &call, ModelBranch &target, ModelBranch *source,
                                      const std::string &backup_name);
  void DoRestore(Call &call, ModelBranch &target, ModelBranch &source,
                 const std::string &backup_name, const std::optional<UndoAsked> &undo);
  void JudgeRestore(const Call &call, const ModelBranch &target, const ModelBranch &source);
  std::optional<UndoAsked> WhatItUndoes(const Call &call, const ModelBranch &target,
                                        const ModelBranch &source);
  void JudgeUndo(const Call &call, const ModelBranch &target, const ModelBranch &source,
                 const UndoAsked &asked);
  bool IsOfMerge(const std::string &session_uuid, int64_t change) const;
  bool IsUnseen(const Call &call, const ModelBranch &target, int64_t change) const;
  void JudgeComputes(const ModelProject &project);
  Answer Suspend(Call &call);
  Answer StartEndpoint(Call &call);
  Answer ConnectionUri(Call &call);
  bool IsForgotten(const ModelProject &project, const ModelOperation &operation) const;
  Answer ListOperations(Call &call);
  Answer ReadOperation(Call &call);

  Answer Refuse(int status, const std::string &message, const std::string &code = {}) const;
  Answer Changed(ModelProject &project, const ModelBranch &branch,
                 const std::vector<std::string> &operations, bool created);
  std::optional<Answer> Locked(const Call &call) const;
  std::string OutcomeOfOperation();
  void End(ModelProject &project, ModelOperation &operation);
  void TakeBack(ModelProject &project, const ModelBranch &parent, const RestoreRecord &record);
  void Expire(ModelProject &project);
  void Remove(ModelProject &project, const std::string &branch_id);

  const VirtualClock *clock_;
  Chance *chance_;
  Witness *witness_;
  std::vector<RestoreRecord> restores_;
  std::vector<ReplayRecord> replays_;
  std::vector<ForeignRecord> foreign_;
  void JudgeDeletion(const Call &call, const ModelBranch &branch);

  int64_t next_id_ = 1;
  int64_t requests_ = 0;
  uint64_t updates_ = 0;
};

std::string KeyOf(const HttpRequest &request);

// Pieces of answers.
std::string BranchJson(const ModelProject &project, const ModelBranch &branch);
std::string AnnotationJson(const ModelBranch &branch);
std::string OperationJson(const ModelProject &project, const ModelOperation &operation);
std::string UriOf(const ModelBranch &branch, bool pooled);
std::string HostOf(const ModelBranch &branch, bool pooled);

}  // namespace agent_branch::simulation
