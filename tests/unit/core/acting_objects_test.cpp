#include "worker/core/merge/acting_objects.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

// By the parent alone; "" where there is none.
ObjectDifference Theirs(const std::string &object, const std::string &base,
                        const std::string &parent) {
  return {object, ObjectChange::kParentOnly, base, base, parent};
}

WrittenRows Inserted(const std::string &table, std::vector<std::string> texts = {}) {
  WrittenRows written;
  written.rows.tables[table].inserted = 1;
  written.texts = std::move(texts);
  return written;
}

using Dependences = std::vector<Dependence>;

TEST(ActingObjects, TriggersAndRulesOfTablesThatWereWrittenTo) {
  const WrittenRows rows = Inserted("app.t");
  for (const char *object : {"trigger x on app.t", "rule \"x on y\" on app.t"}) {
    for (const auto &[base, parent] :
         {std::pair{"", "h"}, std::pair{"h", ""}, std::pair{"h", "i"}}) {
      EXPECT_EQ(FindActing({Theirs(object, base, parent)}, false, rows, {}, {}),
                (Dependences{{object, "rows of table app.t"}}));
    }
  }
  EXPECT_EQ(FindActing({Theirs("trigger x on app.u", "", "h"), Theirs("index app.t", "", "h"),
                        Theirs("constraint c on app.t", "", "h")},
                       false, rows, {}, {}),
            Dependences{});
  const ObjectDifference ours{"trigger x on app.t", ObjectChange::kBranchOnly, "", "h", ""};
  EXPECT_EQ(FindActing({ours}, false, rows, {}, {}), Dependences{});
  // What the session adds acts on the rows of a merge before it.
  EXPECT_EQ(FindActing({ours}, true, rows, {}, {}),
            (Dependences{{"trigger x on app.t", "rows of table app.t"}}));
  EXPECT_EQ(FindActing({Theirs("trigger x on app.t", "", "h")}, false, {}, {}, {}), Dependences{});
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
  EXPECT_EQ(FindActing(differences, false, Inserted("app.t"), {column}, {}),
            (Dependences{{column, "rows of table app.t"}}));
  WrittenRows updated;
  updated.rows.tables["app.t"].updated = 1;
  EXPECT_EQ(FindActing(differences, false, updated, {column}, {}), Dependences{});
}

const ObjectMap kParent = {{"column a of table app.t", "0"}, {"function app.stamp()", "3"},
                           {"function app.touch()", "h"},    {"table app.stamp", "4"},
                           {"trigger x on app.t", "1"},      {"trigger y on app.u", "2"},
                           {"view app.\"Open Orders\"", "5"}};

TEST(ActingObjects, WhatTheStatementsUseIsRead) {
  const std::vector<ObjectDifference> differences = {Theirs("function app.touch()", "g", "h")};
  using Objects = std::vector<std::string>;
  EXPECT_EQ(UsedToRead(differences, false, Inserted("app.t"), kParent),
            (Objects{"column a of table app.t", "trigger x on app.t"}));
  WrittenRows updated;
  updated.rows.tables["app.u"].updated = 1;
  updated.texts = {"UPDATE app.u SET a = app.Stamp() FROM app.\"Open Orders\""};
  EXPECT_EQ(UsedToRead(differences, false, updated, kParent),
            (Objects{"trigger y on app.u", "function app.stamp()", "view app.\"Open Orders\""}));
  EXPECT_EQ(UsedToRead(differences, true, updated, kParent), Objects());
  updated.rows.tables.clear();
  EXPECT_EQ(UsedToRead(differences, false, updated, kParent), Objects());
  EXPECT_EQ(UsedToRead({Theirs("table app.stamp", "g", "4")}, false, Inserted("app.t"), kParent),
            Objects());
}

TEST(ActingObjects, WhatOthersChangedOfThatIsAConflict) {
  const Dependences found = {{"function app.touch()", "what the migrations wrote"}};
  const auto acting = [](const std::string &base, const std::string &text,
                         const WrittenRows &written) {
    UsedNames used;
    used.Add(text, false);
    return FindActing({Theirs("function app.touch()", base, "h")}, false, written, {}, used);
  };
  EXPECT_EQ(acting("g", "SELECT touch()", Inserted("app.t")), found);
  EXPECT_EQ(acting("", "SELECT app.touch()", Inserted("app.t")),
            found);  // it may be what is meant now
  EXPECT_EQ(acting("g", "SELECT other.touch(), stamp()", Inserted("app.t")), Dependences{});
  EXPECT_EQ(acting("g", "SELECT touch()", WrittenRows()), Dependences{});
  WrittenRows rewritten;
  rewritten.rows.rewritten = {"app.t"};
  EXPECT_EQ(acting("g", "SELECT touch()", rewritten), found);
  UsedNames touch;
  touch.Add("SELECT touch()", false);
  EXPECT_EQ(
      FindActing({Theirs("function app.touch()", "g", "")}, false, Inserted("app.t"), {}, touch),
      Dependences{});
  const ObjectDifference dropped{"function app.touch()", ObjectChange::kBranchOnly, "g", "", "g"};
  EXPECT_EQ(FindActing({dropped}, true, Inserted("app.t"), {}, touch), found);
  touch.Add("TABLE touch", false);
  EXPECT_EQ(FindActing({Theirs("table app.touch", "g", "h")}, false, Inserted("app.t"), {}, touch),
            Dependences{});
}

}  // namespace
}  // namespace agent_branch
