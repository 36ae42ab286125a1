// Holds a Store to the cases of store_cases.hpp, and to what its other reads answer.
//
// Used where there is no GoogleTest, too: inside of a server, for the tables.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/core/store_cases.hpp"

namespace agent_branch {

// Takes a store through all cases, and collects where it does otherwise.
class StoreConformance {
 public:
  explicit StoreConformance(Store *store) : store_(store) {}

  // Each: the case, and what was seen. Empty: the store conforms.
  std::vector<std::string> Failures() {
    if (!FindGround()) return failures_;
    for (const StoreCase &one : AllStoreCases(ground_))
      Try(one);
    TryTexts();
    TrySingleRows();
    TrySweeps();
    TryRequests();
    return failures_;
  }
  size_t tried() const { return tried_; }

 private:
  void Expect(const std::string &name, const std::string &seen, const std::string &expected) {
    ++tried_;
    if (seen != expected) failures_.push_back(name + ": " + seen + " instead of " + expected);
  }

  bool FindGround() {
    const Result<Intake> intake = store_->ReadRequests();
    std::string kinds;
    if (intake.ok()) {
      for (const RequestRow &request : intake->requests)
        kinds += request.kind + " ";
    }
    Expect("what was asked for", kinds, "create create migrate migrate ");
    if (!failures_.empty()) return false;
    requests_ = intake->requests;
    const auto session = [&](size_t number) {
      return *std::find_if(intake->sessions.begin(), intake->sessions.end(),
                           [&](const auto &row) { return row.id == requests_[number].session_id; });
    };
    const auto migration = [&](size_t number) {
      return *std::find_if(intake->migrations.begin(), intake->migrations.end(),
                           [&](const auto &row) { return row.id == requests_[number].subject_id; });
    };
    ground_ = {intake->projects.front().id, session(0), session(1), migration(2), migration(3)};
    return true;
  }

  bool Commit(const std::string &name, std::vector<Mutation> mutations) {
    const Status status = store_->Commit(Batch{std::move(mutations)});
    Expect(name, status.ok() ? "" : "error: " + status.message(), "");
    return status.ok();
  }

  void Try(const StoreCase &one) {
    if (!Commit(one.name, one.mutations)) return;
    const Result<StoreSnapshot> loaded = store_->Load();
    if (!loaded.ok()) return Expect(one.name, loaded.status().message(), "rows");
    const LoadedRows rows(*loaded);
    for (const std::string &line : one.loaded) {
      const auto count = std::count(rows.lines().begin(), rows.lines().end(), line);
      Expect(one.name, count == 1 ? line : Like(rows, line), line);
    }
    for (const std::string &beginning : one.absent) {
      const auto found =
          std::find_if(rows.lines().begin(), rows.lines().end(),
                       [&](const auto &line) { return line.rfind(beginning, 0) == 0; });
      Expect(one.name, found == rows.lines().end() ? "no row" : *found, "no row");
    }
  }

  // The rows of the same kind.
  static std::string Like(const LoadedRows &rows, const std::string &line) {
    std::string like;
    for (const std::string &row : rows.lines())
      if (row.rfind(line.substr(0, line.find(" |")), 0) == 0) like += row + "; ";
    return like;
  }

  void TryTexts() {
    const int64_t id = ground_.migration.id;
    Commit("texts are kept as they came first",
           {SnapshotRow{"f1", "{\"table a\": \"1\"}"}, SnapshotRow{"f1", "{}"},
            AttemptRow{id, 2, "SELECT 1", "agent"}, AttemptRow{id, 2, "SELECT 2", "agent"}});
    Expect("a schema", Text(store_->SnapshotObjects("f1")), "{\"table a\": \"1\"}");
    Expect("an unknown schema", Text(store_->SnapshotObjects("unknown")), "{}");
    Expect("a text", Text(store_->MigrationSql(id, 2)), "SELECT 1");
    const Result<std::optional<Script>> none = store_->MigrationScript(id, 2);
    Expect("a text that nobody read", none.ok() && !none->has_value() ? "" : "a script", "");
    const Result<std::vector<AppliedMigration>> applied =
        store_->AppliedMigrations(ground_.first.id);
    std::string described;
    if (applied.ok()) {
      for (const AppliedMigration &one : *applied)
        described += Number(one.id - id) + "/" + Number(one.attempt) + "/" + Number(one.ordinal) +
                     " " + one.record + ";";
    }
    Expect("migrations in effect", described, "0/1/1 [{\"b\": 2}, {\"c\": 3}];");
  }

  void TrySingleRows() {
    const int64_t session = ground_.first.id;
    Expect("no fork", Fork(), " / ");
    Commit("a fork's parent", {ForkRow{session, true, "{\"p\": 1}", ""}});
    Commit("a fork's branch", {ForkRow{session, false, "", "{\"b\": 1}"}});
    Expect("a fork in two parts", Fork(), "{\"p\": 1} / {\"b\": 1}");
    Commit("a fork made anew", {ForkRow{session, true, "", ""}});
    Expect("a fork made anew", Fork(), " / ");
    const Result<std::optional<UndoPointRow>> point = store_->UndoPoint(101);
    Expect("the undo point of a merge that is over",
           point.ok() && point->has_value() ? (*point)->backup_name : "none", "backup");
    const Result<std::optional<UndoPointRow>> none = store_->UndoPoint(102);
    Expect("no undo point", none.ok() && !none->has_value() ? "none" : "one", "none");
  }

  void TrySweeps() {
    const Result<int64_t> id = store_->CreateSweep();
    if (!id.ok()) return Expect("a sweep", id.status().message(), "an id");
    const std::string line = "sweep | " + Number(*id) + " | no";
    Try({"a sweep that is not over", {}, {line}, {}});
    SweepBranchRow seen;
    seen.sweep_id = *id;
    seen.project_id = ground_.project_id;
    seen.branch_id = "br-x";
    seen.name = "x";
    seen.class_name = "orphan";
    seen.action = "would delete";
    SweepBranchRow deleted = seen;
    deleted.action = "delete";
    Try({"no sweep that is over",
         {SweepRow{*id, false, true, false, ""}, seen, deleted,
          SweepRow{*id, false, true, true, ""}},
         {},
         {line}});
  }

  void TryRequests() {
    Commit("requests that are taken", {DropRequest{requests_[0].id}, DropRequest{requests_[2].id}});
    const Result<Intake> intake = store_->ReadRequests();
    std::string left;
    if (intake.ok()) {
      for (const RequestRow &request : intake->requests)
        left += request.kind + " " + Number(request.session_id - ground_.first.id) + ";";
    }
    Expect("requests that are left", left,
           "create " + Number(ground_.second.id - ground_.first.id) + ";migrate 0;");
  }

  std::string Fork() {
    const Result<ForkRow> fork = store_->Fork(ground_.first.id);
    return fork.ok() ? fork->parent + " / " + fork->branch : fork.status().message();
  }

  static std::string Text(const Result<std::string> &text) {
    return text.ok() ? *text : "error: " + text.status().message();
  }

  Store *store_;
  StoreGround ground_;
  std::vector<RequestRow> requests_;
  std::vector<std::string> failures_;
  size_t tried_ = 0;
};

}  // namespace agent_branch
