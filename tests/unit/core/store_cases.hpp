// What any Store has to make of what is committed to it: mutations, and the rows that are loaded
// afterwards. One list for the tables (tests/store) and for the stores of the tests: who passes it
// may stand for the others. JSON is written as the tables give it back.
#pragma once

#include <string>
#include <vector>

#include "worker/core/state/store.hpp"

namespace agent_branch {

// Where the cases begin: two sessions of a project with no branch yet, which were asked for in this
// order, and then two migrations of the first.
struct StoreGround {
  int64_t project_id = 0;
  SessionRow first;
  SessionRow second;
  MigrationRow migration;
  MigrationRow later;
};

struct StoreCase {
  std::string name;
  std::vector<Mutation> mutations;
  std::vector<std::string> loaded;  // lines of LoadedRows that are there, once
  std::vector<std::string> absent;  // beginnings of lines that are not
};

// One line a row, with what the core reads of it.
class LoadedRows {
 public:
  explicit LoadedRows(const StoreSnapshot &loaded) {
    for (const SessionRow &row : loaded.sessions)
      Add("session", row.id, StateName(row.state), row.branch_id, row.error);
    for (const SessionRow &row : loaded.sessions) {
      Add("rest of session", row.id, GoalName(row.goal), row.settled, row.finished, row.expires_at,
          row.parent_branch_id, row.parent_reset_at, row.endpoint_id, row.branch_expires_at,
          row.bare_compute, row.base_fingerprint, row.pinned, row.api_calls);
      for (const std::string &operation : row.operations)
        Add("operation", row.id, operation);
    }
    for (const MigrationRow &row : loaded.migrations) {
      Add("migration", row.id, MigrationStatusName(row.status), row.attempt, row.transaction_id,
          row.statements_done, row.statements, row.risks + row.error.message);
      Add("segment", row.id, row.seen_before, row.segment_rows, row.segment_record, row.record,
          row.rows, row.fixer);
    }
    for (const MergeRow &row : loaded.merges) {
      Add("merge", row.id, row.status, row.strategy, row.reason);
      Add("rest of merge", row.id, row.on_drift, row.on_unrecorded, row.chosen, row.chosen_reason,
          row.transaction_id, row.certificate, row.gates, row.accepted, row.candidates,
          row.base_fingerprint, row.parent_fingerprint, row.parent_reset_at, row.backup_name,
          row.backup_branch_id);
    }
    for (const RebaseRow &row : loaded.rebases)
      Add("rebase", row.session_id, row.branch_id, row.base_fingerprint, row.branch_fingerprint);
    for (const UndoRow &row : loaded.undos)
      Add("undo", row.id, row.merge_id, row.session_id, row.forced, row.requested_by, row.status,
          row.parent_reset_at, row.preserved_name, row.preserved_branch_id, row.accepted);
    for (const UndoPointRow &row : loaded.undo_points)
      AddPoint(row);
    for (const StepRow &row : loaded.steps)
      Add("step", row.id, StepKindName(row.kind), row.target, row.project_id, row.session_id);
    for (const KeptBranchRow &row : loaded.kept)
      Add("kept", row.branch_id, row.name, row.kind, row.endpoint_id, row.keep_until);
    for (const SweepRow &row : loaded.sweeps)
      Add("sweep", row.id, row.dry_run);
    for (const CredentialRow &row : loaded.credentials)
      Add("credential", row.session_id, row.pooled, row.uri.Reveal(), row.branch_id);
    Add("last step", loaded.last_step_id);
  }
  void AddPoint(const UndoPointRow &row) {
    Add("undo point", row.merge_id, row.session_id, row.backup_name, row.backup_branch_id,
        row.standpoint, row.statistics, row.record, row.parent_reset_at, row.until, row.why_not);
  }
  template <class... Values>
  void Add(const char *kind, const Values &...values) {
    lines_.push_back(std::string(kind));
    ((lines_.back() += " | " + Text(values)), ...);
  }
  const std::vector<std::string> &lines() const { return lines_; }

 private:
  static std::string Text(std::string_view text) { return std::string(text); }
  static std::string Text(const char *text) { return text; }
  static std::string Text(const std::string &text) { return text; }
  static std::string Text(bool is) { return is ? "yes" : "no"; }
  static std::string Text(int number) { return std::to_string(number); }
  static std::string Text(int64_t number) { return std::to_string(number); }

  std::vector<std::string> lines_;
};

using StoreCases = std::vector<StoreCase>;

inline std::string Number(int64_t number) {
  return std::to_string(number);
}

inline void AddSessionCases(const StoreGround &ground, StoreCases *cases) {
  const std::string first = Number(ground.first.id);
  SessionRow moved = ground.first;
  moved.state = SessionState::kCreating;
  moved.branch_id = "br-1";
  moved.error = "not yet";
  cases->push_back({"a session as it was saved last",
                    {moved},
                    {"session | " + first + " | creating | br-1 | not yet"},
                    {}});
  SessionRow full = moved;
  full.goal = Goal::kDiscard;
  full.settled = true;
  full.expires_at = 1'950'000'000;
  full.parent_branch_id = "br-dev";
  full.parent_reset_at = "2026-01-01T00:00:00Z";
  full.endpoint_id = "ep-1";
  full.branch_expires_at = 1'960'000'000;
  full.bare_compute = true;
  full.operations = {"op-1", "op-2"};
  full.base_fingerprint = "f0";
  full.pinned = true;
  full.api_calls = 7;
  cases->push_back({"all of a session that decides something",
                    {full},
                    {"rest of session | " + first +
                         " | discard | yes | no | 1950000000 | br-dev | 2026-01-01T00:00:00Z | "
                         "ep-1 | 1960000000 | yes | f0 | yes | 7",
                     "operation | " + first + " | op-1", "operation | " + first + " | op-2"},
                    {}});
  cases->push_back({"nothing of it that is empty again",
                    {moved},
                    {},
                    {"operation | " + first, "rest of session | " + first + " | discard"}});
  RebaseRow rebase{ground.first.id, "br-old", "f0", "f1", false};
  cases->push_back(
      {"a rebase under way", {rebase}, {"rebase | " + first + " | br-old | f0 | f1"}, {}});
  rebase.ended = true;
  cases->push_back({"no rebase that has ended", {rebase}, {}, {"rebase"}});
}

inline void AddMigrationCases(const StoreGround &ground, StoreCases *cases) {
  const std::string migration = Number(ground.migration.id);
  MigrationRow running = ground.migration;
  running.status = MigrationStatus::kRunning;
  running.transaction_id = "700";
  running.statements = 3;
  running.statements_done = 1;
  running.risks = "[]";
  running.error.message = "it failed before";
  cases->push_back({"a migration without what is only shown",
                    {running},
                    {"migration | " + migration + " | running | 1 | 700 | 1 | 0 | "},
                    {}});
  MigrationRow segment = running;
  segment.seen_before = "yes";
  segment.segment_rows = 4;
  segment.segment_record = "{\"a\": 1}";
  segment.record = "{\"b\": 2}, {\"c\": 3}";
  segment.rows = 9;
  segment.fixer = "looked at it";
  cases->push_back({"what decides whether a segment had its effect",
                    {segment},
                    {"segment | " + migration +
                     " | yes | 4 | {\"a\": 1} | {\"b\": 2}, {\"c\": 3} | 9 | looked at it"},
                    {}});
  MigrationRow applied = segment;
  applied.status = MigrationStatus::kApplied;
  MigrationRow repairing = ground.later;
  repairing.status = MigrationStatus::kRepairing;
  cases->push_back({"migrations that are not over",
                    {applied, repairing},
                    {"migration | " + Number(ground.later.id) + " | repairing | 1 |  | 0 | 0 | "},
                    {"migration | " + migration}});
}

inline MergeRow MergeOfFirst(const StoreGround &ground) {
  MergeRow merge;
  merge.id = 101;
  merge.session_id = ground.first.id;
  merge.strategy = "auto";
  merge.on_drift = "fail";
  return merge;
}

inline void AddMergeCases(const StoreGround &ground, StoreCases *cases) {
  const std::string first = Number(ground.first.id);
  const MergeRow merge = MergeOfFirst(ground);
  MergeRow waiting = merge;
  waiting.status = "running";
  waiting.strategy = "restore";
  waiting.on_drift = "rebase";
  waiting.on_unrecorded = "drop";
  waiting.reason = "for people";
  waiting.chosen = "replay";
  waiting.chosen_reason = "it is short";
  waiting.transaction_id = "701";
  waiting.certificate = "{\"same\": true}";
  waiting.gates = "[]";
  waiting.accepted = true;
  waiting.candidates = 2;
  waiting.base_fingerprint = "f0";
  waiting.parent_fingerprint = "f1";
  waiting.parent_reset_at = "2026-01-02T00:00:00Z";
  waiting.backup_name = "backup";
  waiting.backup_branch_id = "br-backup";
  cases->push_back({"a merge with what was asked for at first, and no reason",
                    {merge, waiting},
                    {"merge | 101 | running | auto | ",
                     "rest of merge | 101 | fail | fail | replay | it is short | 701 | {\"same\": "
                     "true} | [] | yes | 2 | f0 | f1 | 2026-01-02T00:00:00Z | backup | br-backup"},
                    {}});
  UndoPointRow point;
  point.merge_id = 101;
  point.session_id = ground.first.id;
  point.why_not = "not yet";
  UndoPointRow noted{
      101,          ground.first.id,        "backup",      "br-backup", "{\"s\": 1}", "{}",
      "{\"r\": 1}", "2026-01-02T00:00:00Z", 1'970'000'000, ""};
  cases->push_back({"the last undo point of a merge",
                    {point, noted},
                    {"undo point | 101 | " + first +
                     " | backup | br-backup | {\"s\": 1} | {} | {\"r\": 1} | "
                     "2026-01-02T00:00:00Z | 1970000000 | "},
                    {}});
  MergeRow over = waiting;
  over.status = "conflict";
  cases->push_back({"no merge that is over, nor its undo point",
                    {over},
                    {},
                    {"merge | 101", "rest of merge | 101", "undo point"}});
}

inline void AddUndoCases(const StoreGround &ground, StoreCases *cases) {
  const std::string first = Number(ground.first.id);
  UndoRow undo;
  undo.id = 301;
  undo.merge_id = 101;
  undo.session_id = ground.first.id;
  undo.forced = true;
  undo.requested_by = "somebody";
  UndoRow running = undo;
  running.status = "running";
  running.parent_reset_at = "2026-01-03T00:00:00Z";
  running.preserved_name = "before";
  running.preserved_branch_id = "br-before";
  running.accepted = true;
  running.lost = {"2 rows of a", "1 row of b"};
  cases->push_back({"an undo that is not over",
                    {undo, running},
                    {"undo | 301 | 101 | " + first +
                     " | yes | somebody | running | 2026-01-03T00:00:00Z | before | br-before | "
                     "yes"},
                    {}});
  UndoRow undone = running;
  undone.status = "undone";
  cases->push_back({"no undo that is over", {undone}, {}, {"undo | 301"}});
}

inline void AddJournalCases(const StoreGround &ground, StoreCases *cases) {
  StepRow step;
  step.id = 201;
  step.project_id = ground.project_id;
  step.session_id = ground.first.id;
  step.kind = StepKind::kRestore;
  step.target = "br-dev";
  StepRow of_project = step;
  of_project.id = 203;
  of_project.session_id = 0;
  of_project.kind = StepKind::kDeleteBranch;
  StepRow done = step;
  done.id = 202;
  StepRow recorded = done;
  recorded.status = "done";
  const std::string project = Number(ground.project_id);
  cases->push_back(
      {"steps that are open",
       {step, done, recorded, of_project},
       {"step | 201 | restore | br-dev | " + project + " | " + Number(ground.first.id),
        "step | 203 | delete branch | br-dev | " + project + " | 0", "last step | 203"},
       {"step | 202"}});
  KeptBranchRow kept;
  kept.project_id = ground.project_id;
  kept.branch_id = "br-kept";
  kept.name = "backup";
  kept.kind = "backup";
  kept.keep_until = 1'900'000'000;
  kept.endpoint_id = "ep-1";
  KeptBranchRow renamed = kept;
  renamed.name = "renamed";
  renamed.kind = "orphan";
  renamed.keep_until = 1'800'000'000;
  renamed.endpoint_id = "";
  cases->push_back({"a kept branch's new name, compute and time, and its first kind",
                    {kept, renamed},
                    {"kept | br-kept | renamed | backup |  | 1800000000"},
                    {}});
  KeptBranchRow deleted = kept;
  deleted.branch_id = "br-gone";
  deleted.deleted = true;
  cases->push_back({"no kept branch that is deleted", {deleted}, {}, {"kept | br-gone"}});
}

inline void AddCredentialCases(const StoreGround &ground, StoreCases *cases) {
  CredentialRow direct{ground.project_id, ground.first.id, false, Secret("postgresql://a"), "br-1"};
  CredentialRow again = direct;
  again.uri = Secret("postgresql://b");
  CredentialRow pooled = direct;
  pooled.pooled = true;
  CredentialRow parent{ground.project_id, 0, false, Secret("postgresql://p"), "br-dev"};
  const std::string of_first = "credential | " + Number(ground.first.id);
  cases->push_back(
      {"the last of each credential",
       {direct, pooled, again, parent},
       {of_first + " | no | postgresql://b | br-1", of_first + " | yes | postgresql://a | br-1",
        "credential | 0 | no | postgresql://p | br-dev"},
       {of_first + " | no | postgresql://a"}});
  cases->push_back({"no credential that was dropped",
                    {DropCredentials{ground.project_id, ground.first.id}},
                    {"credential | 0 | no | postgresql://p | br-dev"},
                    {of_first}});
}

// What no load gives back has to be taken all the same.
inline void AddCasesForPeople(const StoreGround &ground, StoreCases *cases) {
  ConflictRow conflict;
  conflict.merge_id = 101;
  conflict.session_id = ground.first.id;
  conflict.object = "table a";
  conflict.change = "depends";
  conflict.counterexamples = "[{\"id\": 1}]";
  UpkeepRow upkeep{ground.project_id, 0, "could not list branches", 1'700'000'000};
  UpkeepRow swept{ground.project_id, 1'700'000'100, "", 0};
  PreviewRow preview{1, ground.first.id, "{\"strategy\": \"replay\"}"};
  cases->push_back({"rows that are for people",
                    {conflict, upkeep, swept, preview, preview, WaitRow{ground.first.id, "a turn"},
                     WaitRow{ground.first.id, "an answer"}, WaitRow{ground.first.id, ""}},
                    {},
                    {}});
}

inline void AddEndCases(const StoreGround &ground, StoreCases *cases) {
  SessionRow begun = ground.second;
  begun.state = SessionState::kCreating;
  SessionRow finished = begun;
  finished.state = SessionState::kDiscarding;
  SessionRow ended = finished;
  ended.state = SessionState::kDiscarded;
  ended.finished = true;
  cases->push_back({"no session that is finished",
                    {begun, finished, ended},
                    {},
                    {"session | " + Number(ground.second.id)}});
}

inline StoreCases AllStoreCases(const StoreGround &ground) {
  StoreCases cases;
  AddSessionCases(ground, &cases);
  AddMigrationCases(ground, &cases);
  AddMergeCases(ground, &cases);
  AddUndoCases(ground, &cases);
  AddJournalCases(ground, &cases);
  AddCredentialCases(ground, &cases);
  AddCasesForPeople(ground, &cases);
  AddEndCases(ground, &cases);
  return cases;
}

}  // namespace agent_branch
