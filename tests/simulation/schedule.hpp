// What one seed stands for: a world, its users, and everything that goes wrong in it.
#pragma once

#include <string>
#include <vector>

#include "tests/simulation/faults.hpp"
#include "tests/simulation/model_neon.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch::simulation {

// One user with one session: creates it, runs its migrations, and ends it, or does not.
struct UserPlan {
  enum class End { kMerge, kDiscard, kAbandon };

  int project = 0;
  std::string name;  // others may use it before and after
  Instant begins{0};
  milliseconds pace{1'000};  // about as long between one thing and the next
  bool patient = true;       // waits until the session is settled
  int64_t ttl = 3'600;
  std::vector<std::string> migrations;  // texts, with a # for each effect
  int writes = 0;                       // of data, on the branch
  bool extends = false;
  End end = End::kMerge;
  std::string strategy = "restore";
  std::string on_drift = "fail";
  std::string on_unrecorded = "fail";
  bool rebases = false;  // once, before the end
  // After a merge that was refused asks for it once more; may discard while one runs.
  bool restless = false;
  // Wants the merge undone; and again, whatever is lost by it, where that was refused.
  bool undoes = false;
  bool forces = false;
};

// Something that happens once.
struct Incident {
  enum class Kind {
    kCrash,          // of the worker
    kServerCrash,    // which takes the credentials along
    kKeyRevoked,     // another one is put into the file after a while
    kKeyUnreadable,  // for a while
    kScopeLost,      // the key's, for a while
    kClockJump,      // the worker's calendar
    kLimit,          // on branches, for a while
    kForeignBranch,  // with the name of a session's
    kForeignDelete,  // somebody deletes a branch of ours
    kForeignChild,   // somebody makes a child of one
    kProtect,        // somebody protects one
    kDrift,          // somebody changes the parent's schema
    kReap,
    kReload,         // of the settings
    kProtectParent,  // somebody protects the parent for a while
    // Those below are drawn by trials of their own.
    kRowsInParent,  // somebody writes rows to the parent
    kRename,        // somebody renames one of ours
    kAnnotate,      // somebody gives one of ours another owner
    kRegister,      // a project is registered anew, with another number of places
    kTakeOver,      // the worker has to load everything anew
  };
  static constexpr int kKinds = 15;  // of those that are drawn together
  static constexpr int kAllKinds = 20;

  Kind kind = Kind::kCrash;
  Instant when{0};
  milliseconds lasts{0};
  int64_t amount = 0;
  int project = 0;
};

// Trouble that begins once and stays, in one project, until everybody else has come to rest.
struct LastingTrouble {
  enum class Kind {
    kKeyRefused,       // every request is answered 401
    kForbidden,        // every request is answered 403
    kOperationsStuck,  // no operation at Neon ends
    kDeletionsFail,    // each operation that deletes a branch fails
    kDatabasesUnreachable,
    kEndlessLists,  // lists of branches go round in a circle
  };
  static constexpr int kKinds = 6;

  Kind kind = Kind::kKeyRefused;
  int project = 0;
  Instant begins{0};
};

struct ProjectPlan {
  int max_parallel = 4;
  int64_t undo_window = 0;
  std::optional<int> max_pinned;
  bool bare_only = false;
  int page_size = 100;
  bool next_on_last_page = true;
  bool tells_uris = true;
  size_t operations_listed = 100;
  milliseconds operations_lag{0};
  milliseconds operations_known{86'400'000};
};

struct Schedule {
  uint64_t seed = 0;
  ModelNeon::Options neon;
  Settings settings;
  Faults faults;
  std::vector<ProjectPlan> projects;
  std::vector<UserPlan> users;
  std::vector<Incident> incidents;
  std::optional<LastingTrouble> trouble;
  bool shares_key = false;  // all projects have one, and its budget is shared memory
  Instant faults_end{0};
  int crashes_at_most = 0;  // of those by chance

  std::string Describe() const;
};

Schedule DrawSchedule(uint64_t seed);
// The same world and the same users, and nothing that goes wrong.
Schedule Undisturbed(const Schedule &schedule);

}  // namespace agent_branch::simulation
