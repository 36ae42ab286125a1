#include "worker/core/merge/acting_objects.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

// By the parent alone; "" where there is none.
ObjectDifference Theirs(const std::string &object, const std::string &base,
                        const std::string &parent) {
  return {object, ObjectChange::kParentOnly, base, base, parent};
}

ChangedRows Inserted(const std::string &table) {
  ChangedRows rows;
  rows.tables[table].inserted = 1;
  return rows;
}

using Dependences = std::vector<Dependence>;

TEST(ActingObjects, TriggersAndRulesOfTablesThatWereWrittenTo) {
  const ChangedRows rows = Inserted("app.t");
  for (const char *object : {"trigger x on app.t", "rule \"x on y\" on app.t"}) {
    for (const auto &[base, parent] :
         {std::pair{"", "h"}, std::pair{"h", ""}, std::pair{"h", "i"}}) {
      EXPECT_EQ(FindActing({Theirs(object, base, parent)}, rows, {}, {}),
                (Dependences{{object, "rows of table app.t"}}));
    }
  }
  EXPECT_EQ(FindActing({Theirs("trigger x on app.u", "", "h"), Theirs("index app.t", "", "h"),
                        Theirs("constraint c on app.t", "", "h")},
                       rows, {}, {}),
            Dependences{});
  const ObjectDifference ours{"trigger x on app.t", ObjectChange::kBranchOnly, "", "h", ""};
  EXPECT_EQ(FindActing({ours}, rows, {}, {}), Dependences{});
  EXPECT_EQ(FindActing({Theirs("trigger x on app.t", "", "h")}, {}, {}, {}), Dependences{});
}

TEST(ActingObjects, DefaultsOfTablesThatWereInsertedInto) {
  const std::string column = "column a of table app.t";
  const ObjectMap branch = {{column, "integer not null default 1 storage p"}};
  const auto refilled = [&](const std::string &definition) {
    return FindRefilled({column}, branch, {{column, definition}});
  };
  EXPECT_EQ(refilled("integer not null default 2 storage p"), std::set<std::string>{column});
  EXPECT_EQ(refilled("integer not null identity a storage p"), std::set<std::string>{column});
  EXPECT_EQ(refilled("integer storage p"), std::set<std::string>{column});
  EXPECT_EQ(refilled("integer default 1 storage m statistics 7"), std::set<std::string>());
  const std::vector<ObjectDifference> differences = {Theirs(column, "g", "h")};
  EXPECT_EQ(FindActing(differences, Inserted("app.t"), {column}, {}),
            (Dependences{{column, "rows of table app.t"}}));
  ChangedRows updated;
  updated.tables["app.t"].updated = 1;
  EXPECT_EQ(FindActing(differences, updated, {column}, {}), Dependences{});
}

TEST(ActingObjects, FunctionsThatTriggersCall) {
  const std::vector<ObjectDifference> differences = {Theirs("function app.touch()", "g", "h")};
  const ObjectMap parent = {{"trigger x on app.t", "1"}, {"trigger y on app.u", "2"}};
  EXPECT_EQ(TriggersToRead(differences, Inserted("app.t"), parent),
            std::vector<std::string>{"trigger x on app.t"});
  EXPECT_EQ(TriggersToRead({Theirs("function app.made()", "", "h")}, Inserted("app.t"), parent),
            std::vector<std::string>());
  const auto found = [&](const std::string &definition) {
    return FindActing(differences, Inserted("app.t"), {}, {{"trigger x on app.t", definition}});
  };
  EXPECT_EQ(found("CREATE TRIGGER x BEFORE INSERT ON app.t EXECUTE FUNCTION app.touch()"),
            (Dependences{{"function app.touch()", "rows of table app.t"}}));
  EXPECT_EQ(found("CREATE TRIGGER x BEFORE INSERT ON app.t EXECUTE FUNCTION app.stamp()"),
            Dependences{});
}

}  // namespace
}  // namespace agent_branch
