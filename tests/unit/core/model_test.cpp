#include "worker/core/model.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace agent_branch {
namespace {

constexpr SessionState kStates[] = {
    SessionState::kQueued,    SessionState::kCreating,   SessionState::kReady,
    SessionState::kMigrating, SessionState::kMerging,    SessionState::kConflict,
    SessionState::kMerged,    SessionState::kDiscarding, SessionState::kDiscarded,
    SessionState::kExpired,   SessionState::kFailed};

TEST(Model, EveryNameIsReadBack) {
  std::set<std::string_view> names;
  for (SessionState state : kStates) {
    EXPECT_EQ(ParseState(StateName(state)), state);
    names.insert(StateName(state));
  }
  EXPECT_EQ(names.size(), std::size(kStates));
  for (Goal goal : {Goal::kNone, Goal::kMerge, Goal::kDiscard, Goal::kExpire})
    EXPECT_EQ(ParseGoal(GoalName(goal)), goal);
  for (auto status :
       {MigrationStatus::kQueued, MigrationStatus::kRunning, MigrationStatus::kApplied,
        MigrationStatus::kFailed, MigrationStatus::kCancelled})
    EXPECT_EQ(ParseMigrationStatus(MigrationStatusName(status)), status);
  for (auto kind : {StepKind::kCreateBranch, StepKind::kMigrate, StepKind::kSetExpiry,
                    StepKind::kRestore, StepKind::kDeleteBranch, StepKind::kRenameBranch})
    EXPECT_EQ(ParseStepKind(StepKindName(kind)), kind);
}

TEST(Model, UnknownNamesAreNone) {
  for (const char *name : {"", "Ready", "ready ", "nope"}) {
    EXPECT_FALSE(ParseState(name)) << name;
    EXPECT_FALSE(ParseMigrationStatus(name)) << name;
    EXPECT_FALSE(ParseStepKind(name)) << name;
    EXPECT_EQ(ParseGoal(name), Goal::kNone) << name;
  }
}

TEST(Model, NothingFollowsAFinalState) {
  for (SessionState from : kStates) {
    bool final_state = from == SessionState::kMerged || from == SessionState::kDiscarded ||
                       from == SessionState::kExpired;
    EXPECT_EQ(IsFinal(from), final_state);
    for (SessionState to : kStates)
      EXPECT_FALSE(final_state && MayFollow(from, to));
    EXPECT_FALSE(MayFollow(from, from));
  }
}

// docs/states.md: from this file, or from the folder that tests are run in.
std::ifstream OpenPage() {
  std::string here = __FILE__;
  std::ifstream page(here.substr(0, here.find("tests/unit/")) + "docs/states.md");
  if (!page) page.open("docs/states.md");
  return page;
}

std::vector<std::string> Cells(const std::string &line) {
  std::vector<std::string> cells;
  std::istringstream rest(line.substr(1));
  for (std::string cell; std::getline(rest, cell, '|');) {
    size_t first = cell.find_first_not_of(" `");
    size_t last = cell.find_last_not_of(" `");
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return cells;
}

TEST(Model, PageOfStatesShowsTheTableOfTransitions) {
  std::ifstream page = OpenPage();
  ASSERT_TRUE(page) << "docs/states.md is not there";
  std::vector<std::string> columns;
  std::set<std::string> shown;
  std::set<std::string> explained;
  for (std::string line; std::getline(page, line);) {
    if (line.empty() || line[0] != '|') continue;
    std::vector<std::string> cells = Cells(line);
    if (cells[0] == "from \\ to") {
      columns = cells;
      continue;
    }
    std::optional<SessionState> from = ParseState(cells[0]);
    if (!from) continue;
    if (columns.empty()) {
      explained.insert(cells[0]);
      continue;
    }
    shown.insert(cells[0]);
    ASSERT_EQ(cells.size(), columns.size()) << line;
    for (size_t n = 1; n < cells.size(); ++n) {
      std::optional<SessionState> to = ParseState(columns[n]);
      ASSERT_TRUE(to) << columns[n];
      EXPECT_EQ(cells[n] == "x", MayFollow(*from, *to)) << cells[0] << " to " << columns[n];
    }
  }
  EXPECT_EQ(columns.size(), std::size(kStates) + 1);
  EXPECT_EQ(shown.size(), std::size(kStates));
  EXPECT_EQ(explained, shown);
}

}  // namespace
}  // namespace agent_branch
