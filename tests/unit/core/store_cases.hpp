// What any Store has to make of what is committed to it: mutations, and the rows that are loaded
// afterwards. The tables' SQL (worker/store_write.cpp, worker/postgres_store.cpp) says what is
// right; the stores of the tests are held to the same.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "worker/core/state/store.hpp"

namespace agent_branch {

// Where a case begins: a project, two sessions of it with no branch yet, and two queued migrations
// of the first.
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
  std::vector<std::string> loaded;  // lines of DescribeLoaded() that are there
  std::vector<std::string> absent;  // beginnings of lines that are not
};

// One line a row, with what the core reads of it.
inline std::vector<std::string> DescribeLoaded(const StoreSnapshot &loaded) {
  std::vector<std::string> lines;
  auto id = [](int64_t number) { return " " + std::to_string(number); };
  for (const SessionRow &row : loaded.sessions)
    lines.push_back("session" + id(row.id) + " " + std::string(StateName(row.state)) + " " +
                    row.branch_id + " " + row.error);
  for (const MigrationRow &row : loaded.migrations)
    lines.push_back("migration" + id(row.id) + " " + std::string(MigrationStatusName(row.status)) +
                    id(row.attempt) + " [" + row.transaction_id + "]" + id(row.statements_done) +
                    id(row.statements) + " [" + row.risks + row.error.message + "]");
  for (const MergeRow &row : loaded.merges)
    lines.push_back("merge" + id(row.id) + " " + row.status + " " + row.strategy + " [" +
                    row.reason + "]");
  for (const StepRow &row : loaded.steps)
    lines.push_back("step" + id(row.id) + " " + std::string(StepKindName(row.kind)) + " " +
                    row.target);
  for (const KeptBranchRow &row : loaded.kept)
    lines.push_back("kept " + row.branch_id + " " + row.name + " " + row.kind + " [" +
                    row.endpoint_id + "]" + id(row.keep_until));
  for (const CredentialRow &row : loaded.credentials)
    lines.push_back("credential" + id(row.session_id) + (row.pooled ? " pooled " : " direct ") +
                    std::string(row.uri.Reveal()));
  return lines;
}

inline std::vector<StoreCase> StoreCases(const StoreGround &ground) {
  std::vector<StoreCase> cases;
  const std::string session = "session " + std::to_string(ground.first.id);
  const std::string migration = "migration " + std::to_string(ground.migration.id);
  const std::string later = "migration " + std::to_string(ground.later.id);

  SessionRow moved = ground.first;
  moved.state = SessionState::kCreating;
  moved.branch_id = "br-1";
  moved.error = "not yet";
  cases.push_back(
      {"a session as it was saved last", {moved}, {session + " creating br-1 not yet"}, {}});

  MigrationRow running = ground.migration;
  running.status = MigrationStatus::kRunning;
  running.transaction_id = "700";
  running.statements = 3;
  running.statements_done = 1;
  running.risks = "[]";
  running.error.message = "it failed before";
  cases.push_back({"a migration without what is only shown",
                   {running},
                   {migration + " running 1 [700] 1 0 []"},
                   {}});

  MigrationRow applied = running;
  applied.status = MigrationStatus::kApplied;
  MigrationRow repairing = ground.later;
  repairing.status = MigrationStatus::kRepairing;
  cases.push_back({"migrations that are not over",
                   {applied, repairing},
                   {later + " repairing 1 [] 0 0 []"},
                   {migration}});

  MergeRow merge;
  merge.id = 101;
  merge.session_id = ground.first.id;
  merge.strategy = "auto";
  merge.on_drift = "fail";
  MergeRow waiting = merge;
  waiting.status = "running";
  waiting.strategy = "restore";
  waiting.reason = "for people";
  cases.push_back({"a merge with the strategy that was asked for, and no reason",
                   {merge, waiting},
                   {"merge 101 running auto []"},
                   {}});
  MergeRow over = merge;
  over.status = "conflict";
  cases.push_back({"no merge that is over", {over}, {}, {"merge 101"}});

  StepRow step;
  step.id = 201;
  step.project_id = ground.project_id;
  step.session_id = ground.first.id;
  step.kind = StepKind::kRestore;
  step.target = "br-dev";
  StepRow done = step;
  done.id = 202;
  StepRow recorded = done;
  recorded.status = "done";
  cases.push_back(
      {"steps that are open", {step, done, recorded}, {"step 201 restore br-dev"}, {"step 202"}});

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
  cases.push_back({"a kept branch's new name, compute and time, and its first kind",
                   {kept, renamed},
                   {"kept br-kept renamed backup [] 1800000000"},
                   {}});
  KeptBranchRow deleted = kept;
  deleted.branch_id = "br-gone";
  deleted.deleted = true;
  cases.push_back({"no kept branch that is deleted", {deleted}, {}, {"kept br-gone"}});

  CredentialRow direct{ground.project_id, ground.first.id, false, Secret("postgresql://a"), "br-1"};
  CredentialRow again = direct;
  again.uri = Secret("postgresql://b");
  CredentialRow pooled = direct;
  pooled.pooled = true;
  CredentialRow parent{ground.project_id, 0, false, Secret("postgresql://p"), "br-dev"};
  const std::string of_first = "credential " + std::to_string(ground.first.id);
  cases.push_back({"the last of each credential",
                   {direct, pooled, again, parent},
                   {of_first + " direct postgresql://b", of_first + " pooled postgresql://a",
                    "credential 0 direct postgresql://p"},
                   {of_first + " direct postgresql://a"}});
  cases.push_back({"no credential that was dropped",
                   {DropCredentials{ground.project_id, ground.first.id}},
                   {"credential 0 direct postgresql://p"},
                   {of_first}});

  SessionRow begun = ground.second;
  begun.state = SessionState::kCreating;
  SessionRow finished = begun;
  finished.state = SessionState::kDiscarding;
  SessionRow ended = finished;
  ended.state = SessionState::kDiscarded;
  ended.finished = true;
  cases.push_back({"no session that is finished",
                   {begun, finished, ended},
                   {},
                   {"session " + std::to_string(ground.second.id)}});
  return cases;
}

// Commits each case to the store, in order, and looks at what it loads.
inline void ExpectAllCases(Store &store, const StoreGround &ground) {
  for (const StoreCase &one : StoreCases(ground)) {
    Batch batch;
    batch.mutations = one.mutations;
    ASSERT_TRUE(store.Commit(batch).ok()) << one.name;
    const std::vector<std::string> lines = DescribeLoaded(store.Load().value());
    for (const std::string &line : one.loaded)
      EXPECT_EQ(std::count(lines.begin(), lines.end(), line), 1) << one.name << ": " << line;
    for (const std::string &beginning : one.absent) {
      for (const std::string &line : lines)
        EXPECT_NE(line.rfind(beginning, 0), 0u) << one.name << ": " << line;
    }
  }
  Batch texts;
  texts.mutations = {SnapshotRow{"f1", "{\"table a\":\"1\"}"}, SnapshotRow{"f1", "{}"},
                     AttemptRow{ground.migration.id, 2, "SELECT 1", "agent"},
                     AttemptRow{ground.migration.id, 2, "SELECT 2", "agent"}};
  ASSERT_TRUE(store.Commit(texts).ok());
  EXPECT_EQ(store.SnapshotObjects("f1").value(), "{\"table a\":\"1\"}");
  EXPECT_EQ(store.SnapshotObjects("unknown").value(), "{}");
  EXPECT_EQ(store.MigrationSql(ground.migration.id, 2).value(), "SELECT 1");
}

}  // namespace agent_branch
