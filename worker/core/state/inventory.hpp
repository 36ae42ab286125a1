// What the worker knows while it runs: projects and unfinished sessions, with what each is about to
// do.
//
// The rows are the tables' truth; everything beside them is forgotten by a crash and found again
// from them. A finished session leaves. What is looked up often has an index, which Index() keeps.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "worker/core/base/secret.hpp"
#include "worker/core/base/status.hpp"
#include "worker/core/flow/actor.hpp"
#include "worker/core/flow/condition.hpp"
#include "worker/core/script/script.hpp"
#include "worker/core/script/segments.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch {

// A branch's connection URIs: they belong to the branch with this id, and to no name.
struct BranchUris {
  std::string branch_id;
  Secret direct;
  Secret pooled;

  bool complete_for(const std::string &id) const {
    return branch_id == id && !direct.empty() && !pooled.empty();
  }
};

// A migration's text as it was read, for as long as it is carried out.
struct MigrationRun {
  int64_t migration_id = 0;
  int attempt = 0;
  std::shared_ptr<const Script> script;
  std::vector<Segment> segments;
  // It ended with an error, and what it left behind is to be seen to first.
  std::optional<ServerError> rejection;
  // How often the connection was lost while the text ran, and how often a lock was not to be had.
  int lost_connections = 0;
  int lock_timeouts = 0;
  // How often the branch refused to tell what a statement had left behind, or to be cleaned up.
  int refusals = 0;
};

// What a strategy of a merge remembers while the worker lives: a struct of its own each.
struct MergeWork {
  virtual ~MergeWork() = default;
  // A step that had no effect when it was looked for, and may still have one.
  std::optional<StepRow> late_step;
};

// What of a project's limits a session uses.
enum class PlaceUse { kNone, kCreating, kPlace };

struct Session;

// What a session does next; the engine implements it.
class SessionBehaviour {
 public:
  virtual ~SessionBehaviour() = default;
  // The session is at rest: the flow that its rows ask for, or one that does not exist.
  virtual Flow<> Next(Session &session) = 0;
  virtual void OnInternalError(Session &session, const char *what) = 0;
};

struct Session : Actor {
  Session(Scheduler *scheduler, SessionBehaviour *behaviour)
      : Actor(scheduler), behaviour(behaviour) {}
  ~Session() override { EndFlow(); }

  SessionRow row;
  std::deque<MigrationRow> migrations;     // queued and running, by ordinal
  std::optional<MergeRow> merge;           // queued or running
  std::optional<MigrationRun> run;         // of the first of them
  std::optional<RebaseRow> rebase;         // under way
  std::optional<UndoPointRow> undo_point;  // of the merge, or of the undo
  // Of the session's merge, which is done: the session is finished, and here for this alone.
  std::optional<UndoRow> undo;
  std::unique_ptr<MergeWork> merge_work;
  // Asked for and not answered, by ticket: how the merge would be asked for.
  std::map<int64_t, MergeRow> previews;

  bool parent_checked = false;
  // A request that nobody answered may have made the branch: where the parent stood before the
  // first of them is what counts.
  bool may_be_forked = false;
  int standpoints_unread = 0;  // how often the parent could not say where it stands
  bool branch_gone = false;
  bool reader_tried = false;  // to make the role that reads the parent
  // When Neon last said that the branch is this session's: it was made then, or read.
  std::optional<Instant> ours_at;
  std::string base_version;  // of the branch's catalogs when it was made; forgotten by a crash
  int64_t expiry_asked = 0;  // the expiry Neon was last asked for
  BranchUris uris;           // as the project's role: the worker's own
  BranchUris agent_uris;     // as the agent's, where it has one of its own
  Condition place_offered;
  PlaceUse counted_as = PlaceUse::kNone;
  std::string indexed_branch_id;
  SessionBehaviour *behaviour;

  // What is to be said of it still when it is over; ok(): nothing.
  Status lasting;

  // Its rows cannot be written or read: nothing is done for it before they were mended.
  bool set_aside = false;

  Owner owner() const override { return Owner::Session(row.id); }
  std::string connection_key() const { return "session " + std::to_string(row.id); }
  // With a branch, and nothing under way there.
  bool at_home() const {
    return row.state == SessionState::kReady || row.state == SessionState::kConflict ||
           row.state == SessionState::kFailed;
  }
  bool given_up() const { return row.goal == Goal::kDiscard || row.goal == Goal::kExpire; }
  // A restore of the merge was sent, and that it was done is not ruled out.
  bool may_have_restored() const { return merge && !merge->backup_name.empty(); }
  // The COMMIT of the merge's replay may have been sent, and its outcome is not known.
  bool may_have_replayed() const { return merge && !merge->transaction_id.empty(); }
  // So that what became of the parent is found out before anything else.
  bool may_have_merged() const {
    return may_have_restored() || may_have_replayed() || (merge && !merge->pieces.empty());
  }
  // A restore of the undo was sent, and that it was done is not ruled out.
  bool may_have_undone() const { return undo && !undo->preserved_name.empty(); }

 protected:
  void Act() override {
    Flow<> next = behaviour->Next(*this);
    if (next.exists()) Begin(std::move(next));
  }
  void OnInternalError(const char *what) override { behaviour->OnInternalError(*this, what); }
};

// One of a project's upkeep: a flow that is begun when it is wanted (see upkeep/).
struct UpkeepActor : Actor {
  UpkeepActor(Scheduler *scheduler, int64_t project_id, std::function<Flow<>()> next)
      : Actor(scheduler), project_id(project_id), next(std::move(next)) {}
  ~UpkeepActor() override { EndFlow(); }
  Owner owner() const override { return Owner::Project(project_id); }
  int64_t project_id;
  std::function<Flow<>()> next;
  std::function<void(const char *)> on_internal_error;

 protected:
  void Act() override {
    Flow<> flow = next();
    if (flow.exists()) Begin(std::move(flow));
  }
  void OnInternalError(const char *what) override {
    if (on_internal_error) on_internal_error(what);
  }
};

struct Project {
  ProjectRow row;

  // --- Changes at Neon: calls sent and not answered, and sets of operations not ended. How many at
  // a time are taken is learned (ApiCalls).
  int changes_under_way = 0;
  int operations_under_way = 0;
  int learned_limit = 1;
  Instant changes_allowed_at{0};
  Condition changes_possible;  // told when one of these ended
  // For whom the next change is kept free: from when a merge compared the parent until its restore
  // is sent, nobody else's change comes in between. Null: nobody.
  const void *reserved_by = nullptr;

  int changes_in_flight() const { return changes_under_way + operations_under_way; }
  bool busy() const { return changes_in_flight() > 0; }
  int change_limit() const { return learned_limit; }
  void ChangeAccepted() {
    constexpr int kMost = 64;
    if (learned_limit < kMost) ++learned_limit;
  }
  void ChangeRefusedAsBusy(Instant allowed_at) {
    learned_limit = learned_limit > 1 ? learned_limit / 2 : 1;
    changes_allowed_at = allowed_at;
  }

  // --- The parent.
  // As it was seen at Neon last.
  struct ParentSeen {
    std::string branch_id;
    std::string last_reset_at;
    Instant at{0};
  };
  ParentSeen parent_seen;
  BranchUris parent_uris;
  BranchUris reader_uris;  // as the role that only reads
  // Why the parent has no such role, when its server did not let one be made.
  std::string no_reader;
  bool fetching_parent_uris = false;
  Condition parent_uris_fetched;
  // What a version of the parent's catalogs was found to be: catalog version to fingerprint. It
  // means something in one history of the parent only, which a restore ends; but not one of ours,
  // whose branch went on from what the parent proved to be still. So a history is known by the
  // last_reset_at that its parts begin with.
  std::map<std::string, std::string> known_versions;
  std::set<std::string> history;
  std::set<std::string> versions_being_described;  // by sessions under way
  Condition version_described;                     // told when one of these came to an end
  std::string parent_connection_key() const { return "parent of " + row.neon_id; }

  // --- Login roles of sessions. That one can log in and has the rights of the project's role is
  // tried with the first of them.
  bool logins_proven = false;
  Status no_logins;  // why the server lets none be made; ok: that is not known

  // --- Sessions, by id; those that wait for a place; and what of the limits the others use.
  std::map<int64_t, Session *> sessions;
  std::set<int64_t> queue;
  int places = 0;    // sessions that hold a branch or are making one
  int creating = 0;  // of these, those that have no branch yet

  // Merges, and undos of such, that wait for their turn or have it, in the order in which they were
  // asked for.
  std::map<int64_t, int64_t> merge_queue;  // merge or undo to session
  int64_t merging_session = 0;
  Condition merge_turn;

  // --- Upkeep.
  std::map<std::string, KeptBranchRow> kept;  // by branch id
  int awake = 0;                              // computes of kept branches that may be active
  bool delete_kept_wanted = false;
  bool suspend_wanted = false;
  std::unique_ptr<UpkeepActor> sweeper;
  std::unique_ptr<UpkeepActor> deleter;
  std::unique_ptr<UpkeepActor> suspender;
  std::deque<int64_t> sweeps_wanted;  // ids of runs that somebody asked for
  bool sweep_for_room = false;
  std::optional<Instant> next_sweep;  // of its own schedule
  Condition session_left;
  UpkeepRow upkeep;

  // How often in a row Neon had no room for another branch, and when that is tried again; at once
  // when a branch went.
  int refusals = 0;
  Instant room_at{0};
  std::optional<Instant> swept_for_room_at;

  // The first that waits for a place looks whether there is one.
  void OfferPlace();

  // Whether an undo that was asked for may go back to it: it is neither deleted nor given an
  // expiry.
  bool IsWantedByUndo(const KeptBranchRow &branch) const;
  void Keep(const KeptBranchRow &branch);
  void Forget(const std::string &branch_id);
};

// Not by address: what goes first must not depend on chance, or no run could be repeated.
struct ProjectById {
  bool operator()(const Project *a, const Project *b) const { return a->row.id < b->row.id; }
};

struct Inventory {
  std::string installation_id;          // what new branches are annotated with
  std::set<std::string> installations;  // whose branches are ours: this one and those taken over
  std::map<int64_t, std::unique_ptr<Project>> projects;
  std::map<int64_t, std::unique_ptr<Session>> sessions;
  std::map<std::string, Session *> sessions_by_branch;
  std::map<std::string, Session *> sessions_by_uuid;
  int queued = 0;  // sessions that wait for a place

  Project *FindProject(int64_t id) const {
    auto found = projects.find(id);
    return found == projects.end() ? nullptr : found->second.get();
  }
  Session *FindSession(int64_t id) const {
    auto found = sessions.find(id);
    return found == sessions.end() ? nullptr : found->second.get();
  }
  // After the session's row changed: the indexes and what of its project's limits it uses.
  void Index(Session &session);
  void Remove(int64_t session_id);
};

}  // namespace agent_branch
