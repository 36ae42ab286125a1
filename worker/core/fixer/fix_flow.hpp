// The repair of a migration that the branch rejected.
//
// The migration is `repairing` meanwhile. A fix is looked for in the memory of fixes that worked,
// then asked of the project's SQL function, then of a model; it goes in the migration's place as
// its next attempt, which is checked (fix_check.hpp) and then run like any. Whatever comes of an
// attempt, its reason is told to whoever is asked next. A call of the model is a step of the
// journal: an answer that was recorded is an attempt that exists, one that was not is asked for
// again, once.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "worker/core/fixer/fix_question.hpp"
#include "worker/core/fixer/fix_store.hpp"
#include "worker/core/fixer/model_calls.hpp"
#include "worker/core/fixer/sql_trees.hpp"
#include "worker/core/session/connection_uris.hpp"

namespace agent_branch {

// How one round of a repair ended: what comes next, or that it is given up, with the error of the
// original text.
struct RepairEnd {
  Next next;
  std::optional<ServerError> given_up;
};

class FixFlow {
 public:
  struct Services {
    SessionContext *context = nullptr;
    ConnectionUris *uris = nullptr;
    FixStore *store = nullptr;  // null: there is no fixer
    SqlTrees *trees = nullptr;  // the check's parser
    KeyRing *keys = nullptr;
  };

  explicit FixFlow(Services services);

  // Whether the session's first migration, which was rejected with `error`, is to be repaired; why
  // not is noted in it.
  bool Takes(Session &session, const ServerError &error);
  // The first migration is kRepairing: asks one source for a fix and checks what it says.
  Flow<RepairEnd> Repair(Session &session);
  // The session is given up in this state.
  void Abandon(Session &session);

  static bool IsFix(const MigrationRow &migration);
  // The first migration is a fix: what has to be known before it is run.
  Flow<Next> Prepare(Session &session);
  bool IsPrepared(const Session &session) const;
  // For BranchTask::facts; last: of the migration's last segment.
  std::string Facts(const Session &session, bool last) const;
  // Before its commit: objects, the text of the facts, and the transaction's record, as the branch
  // tells them.
  Intent Prove(const Session &session, const BranchEvent &ready) const;
  // It was run, and is not to be committed: ends this attempt. The migration is kRepairing after.
  void Refuse(Session &session, const std::string &reason);
  void Applied(const Session &session, const MigrationRow &migration);
  // A fix was rejected by the branch.
  void Failed(const Session &session, const MigrationRow &migration);

 private:
  // What is known of the repair under way; forgotten by a crash, and found again.
  struct Work {
    bool schema_read = false;
    std::string schema;
    int checked = 0;          // the attempt that `intent` is about
    int attempt = 0;          // that the next two are about
    std::string before;       // the schema's objects
    std::string definitions;  // of views that are put back, before
    Intent intent;
    int64_t remembered = 0;  // the fix out of the memory that is tried
    int passing = 0;         // failures of calls, in a row
    FixCallRow call;         // under way, unless its id is 0
  };

  std::string WhyOff(const ProjectRow &project) const;
  bool HasModel() const;
  Result<FixHistory> Read(const Session &session);
  std::vector<ServerError> ErrorsOf(const FixHistory &history) const;

  // Each is one source. Nothing: it has no fix, and the next one is asked.
  Flow<std::optional<RepairEnd>> AskMemory(Session &session, FixHistory history);
  Flow<RepairEnd> AskFunction(Session &session, FixHistory history);
  Flow<RepairEnd> OnFunction(Session &session, HelperEvent event);
  Flow<RepairEnd> AskModel(Session &session, FixHistory history);
  Flow<Next> ReadSchema(Session &session, FixHistory history);
  ModelQuestion MakeQuestion(const Session &session, const FixHistory &history);
  Flow<RepairEnd> OnAnswer(Session &session, ModelReply reply);
  // What the call cost, of all that the answer says.
  FixCallRow Settled(FixCallRow call, const ModelReply &reply) const;

  Flow<RepairEnd> Propose(Session &session, FixHistory history, std::string sql,
                          std::string made_by);
  // Asks the branch for what the check has to know, and checks; the fix may be refused after it.
  Flow<Next> Check(Session &session, FixQuestion question);
  // The check, in a process of its own: comparing may take long. Fails when there was none to be
  // had; a fix that cannot be compared is refused.
  Flow<Result<Intent>> Compare(Session &session, FixQuestion question);
  // A remembered fix that was refused once is not offered again.
  void Forget(const Session &session, const MigrationRow &migration);
  Flow<RepairEnd> GoOn(Session &session);
  void Record(Session &session, FixCallRow call);
  RepairEnd GiveUp(Session &session, const FixHistory &history, const std::string &why);
  void Remember(const Session &session, const MigrationRow &migration, bool worked);
  FixCallRow MakeCall(const FixHistory &history, const char *source, std::string model);

  Services services_;
  std::map<int64_t, Work> works_;  // by session
  int64_t next_call_id_ = 1;
};

}  // namespace agent_branch
