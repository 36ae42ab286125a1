#include "worker/core/state/model.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
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
  for (auto kind :
       {StepKind::kCreateBranch, StepKind::kMigrate, StepKind::kSetExpiry, StepKind::kRestore,
        StepKind::kDeleteBranch, StepKind::kRenameBranch, StepKind::kSuspendCompute,
        StepKind::kStartCompute, StepKind::kAskFixer, StepKind::kMakeRole, StepKind::kDropRole})
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

// A file of the repository: from this file, or from the folder that tests are run in.
std::ifstream OpenFile(const std::string &path) {
  std::string here = __FILE__;
  std::ifstream file(here.substr(0, here.find("tests/unit/")) + path);
  if (!file) file.open(path);
  return file;
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
  std::ifstream page = OpenFile("docs/states.md");
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

// The journal takes exactly the kinds that there are: what goes through all of them, as the crash
// tests do, reads them there.
TEST(Model, JournalTakesTheKindsOfSteps) {
  std::ifstream script = OpenFile("sql/agent_branch--0.1.0--0.2.0.sql");
  ASSERT_TRUE(script);
  std::string text((std::istreambuf_iterator<char>(script)), std::istreambuf_iterator<char>());
  size_t table = text.rfind("ADD CONSTRAINT step_kind_check");
  ASSERT_NE(table, std::string::npos);
  size_t check = text.find("CHECK (kind IN (", table);
  ASSERT_NE(check, std::string::npos);
  std::string list = text.substr(check, text.find("))", check) - check);
  std::set<std::string> taken;
  for (size_t open = list.find('\''); open != std::string::npos; open = list.find('\'', open)) {
    size_t close = list.find('\'', open + 1);
    taken.insert(list.substr(open + 1, close - open - 1));
    open = close + 1;
  }
  std::set<std::string> kinds;
  for (int kind = 0; kind < 100; ++kind) {
    std::string_view name = StepKindName(static_cast<StepKind>(kind));
    if (!name.empty()) kinds.insert(std::string(name));
  }
  EXPECT_EQ(taken, kinds);
}

}  // namespace
}  // namespace agent_branch
