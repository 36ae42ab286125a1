// What the worker knows while it runs: projects and unfinished sessions, with what each is about to
// do.
//
// The rows are the tables' truth; everything beside them is forgotten by a crash and found again
// from them. A finished session leaves.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "worker/core/base/secret.hpp"
#include "worker/core/base/status.hpp"
#include "worker/core/script/segments.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch {

// What a session waits for. It has one thing under way at a time, and is driven on when that ends.
enum class Activity {
  kNone,        // may be driven
  kCall,        // an API call, waiting or under way
  kTask,        // a task on the branch's or the parent's database
  kModel,       // a call of the fixer's model
  kHelper,      // a task in a process of its own
  kOperations,  // operations at Neon
  kCommit,      // its rows have to be committed before it acts
  kPause,       // wake_at
};

// Where a merge by restore is; begun anew after a crash, unless Neon had accepted the restore. At
// kEnded the restore is known to have come to its end.
enum class MergePhase { kCheck, kCompare, kDescribe, kRestore, kEnded };

// Why a merge is to be refused, once it is certain that its restore was not done.
struct MergeRefusal {
  Status why;
  std::vector<ConflictRow> conflicts;
};

// A migration's text as it was read, for as long as it is carried out.
struct MigrationRun {
  int64_t migration_id = 0;
  int attempt = 0;
  std::shared_ptr<const Script> script;
  std::vector<Segment> segments;
  // It ended with an error, and what it left behind is to be seen to first.
  std::optional<ServerError> rejection;
};

struct Session {
  SessionRow row;
  std::deque<MigrationRow> migrations;  // queued and running, by ordinal
  std::optional<MergeRow> merge;        // queued or running
  std::optional<MigrationRun> run;      // of the first of them
  // The open step, and whether its outcome has to be found out before anything else is done.
  std::optional<StepRow> step;
  bool uncertain = false;

  Activity activity = Activity::kNone;
  uint64_t activity_id = 0;
  Instant wake_at{0};
  int failures = 0;  // in a row, of what is being tried

  // Its rows cannot be written or read: nothing is done for it before they were mended.
  bool set_aside = false;
  bool parent_checked = false;
  bool branch_gone = false;
  bool branch_checked = false;  // read once more before it is deleted, and it is ours
  MergePhase merge_phase = MergePhase::kCheck;
  std::string merge_fence;  // why the parent is another one than the session began with, if it is
  // A restore that had no effect when it was looked for, and may still have one until then.
  std::optional<StepRow> late_restore;
  Instant late_until{0};
  int backup_lookups = 0;
  std::string backup_created_at;
  std::optional<MergeRefusal> refusal;
  std::string base_version;  // of the branch's catalogs when it was made; forgotten by a crash
  int64_t expiry_asked = 0;  // the expiry Neon was last asked for
  Secret uri;
  Secret pooled_uri;
  std::string connection_key() const { return "session " + std::to_string(row.id); }
  // A restore of the merge was sent, and that it was done is not ruled out.
  bool may_have_restored() const { return merge && !merge->backup_name.empty(); }
};

struct Project {
  ProjectRow row;

  // Neon lets one change of a project run at a time (423): the calls sent and not answered, and the
  // sets of operations not ended.
  int changes_under_way = 0;
  int operations_under_way = 0;
  Instant changes_allowed_at{0};
  bool busy() const { return changes_under_way > 0 || operations_under_way > 0; }

  // The session for which the next change is kept free: from when it compared the parent until its
  // restore is sent, nobody else's change comes in between. 0: none.
  int64_t reserved_by = 0;

  int64_t merging_session = 0;
  int64_t parent_uris_by = 0;  // the session that fetches them
  Secret parent_uri;
  Secret parent_pooled_uri;
  // What a version of the parent's catalogs was found to be: catalog version to fingerprint. It
  // means something in one history of the parent only, which a restore ends; but not one of ours,
  // whose branch went on from what the parent proved to be still. So a history is known by the
  // last_reset_at that its parts begin with.
  std::map<std::string, std::string> known_versions;
  std::set<std::string> history;
  std::string parent_connection_key() const { return "parent of " + row.neon_id; }

  std::map<std::string, KeptBranchRow> kept;  // by branch id
  bool retire_wanted = false;
  bool retiring = false;
  Instant retire_at{0};
  bool suspend_wanted = false;
  bool suspending = false;
  Instant suspend_at{0};

  // How often in a row Neon had no room for another branch, and when that is tried again; at once
  // when a branch went.
  int refusals = 0;
  Instant room_at{0};
  bool sweep_wanted = false;
  std::optional<Instant> swept_for_room_at;
};

struct World {
  std::string installation_id;          // what new branches are annotated with
  std::set<std::string> installations;  // whose branches are ours: this one and those taken over
  std::map<int64_t, std::unique_ptr<Project>> projects;
  std::map<int64_t, std::unique_ptr<Session>> sessions;

  Project *FindProject(int64_t id) const {
    auto found = projects.find(id);
    return found == projects.end() ? nullptr : found->second.get();
  }
  Session *FindSession(int64_t id) const {
    auto found = sessions.find(id);
    return found == sessions.end() ? nullptr : found->second.get();
  }
};

}  // namespace agent_branch
