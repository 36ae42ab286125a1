#include "worker/core/merge/three_way.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

struct Case {
  const char *what;
  ObjectMap base;
  ObjectMap branch;
  ObjectMap parent;
  std::map<std::string, ObjectChange> expected;
};

constexpr const char *kTable = "table public.t";
constexpr const char *kOrder = "order of columns of table public.t";

const Case kCases[] = {
    {"nothing", {{"table a", "1"}}, {{"table a", "1"}}, {{"table a", "1"}}, {}},
    {"both nothing", {}, {}, {}, {}},
    {"added by the branch", {}, {{"table a", "1"}}, {}, {{"table a", ObjectChange::kBranchOnly}}},
    {"changed by the branch",
     {{"table a", "1"}},
     {{"table a", "2"}},
     {{"table a", "1"}},
     {{"table a", ObjectChange::kBranchOnly}}},
    {"dropped by the branch",
     {{"table a", "1"}},
     {},
     {{"table a", "1"}},
     {{"table a", ObjectChange::kBranchOnly}}},
    {"added by both",
     {},
     {{"table a", "1"}},
     {{"table a", "1"}},
     {{"table a", ObjectChange::kIdentical}}},
    {"dropped by both", {{"table a", "1"}}, {}, {}, {{"table a", ObjectChange::kIdentical}}},
    {"added by both, differently",
     {},
     {{"table a", "1"}},
     {{"table a", "2"}},
     {{"table a", ObjectChange::kConflict}}},
    {"dropped by one, changed by the other",
     {{"table a", "1"}},
     {},
     {{"table a", "2"}},
     {{"table a", ObjectChange::kConflict}}},
    {"an empty definition is not an absent object",
     {{"schema a", ""}},
     {},
     {{"schema a", "x"}},
     {{"schema a", ObjectChange::kConflict}}},
    {"two columns of one table",
     {{kTable, "1"}, {kOrder, "id"}},
     {{kTable, "1"}, {kOrder, "id, a"}, {"column a of table public.t", "int"}},
     {{kTable, "1"}, {kOrder, "id, b"}, {"column b of table public.t", "int"}},
     {{kOrder, ObjectChange::kOrder},
      {"column a of table public.t", ObjectChange::kBranchOnly},
      {"column b of table public.t", ObjectChange::kParentOnly}}},
    {"a column of a table that the parent dropped",
     {{kTable, "1"}},
     {{kTable, "1"}, {"column a of table public.t", "int"}},
     {},
     {{kTable, ObjectChange::kParentOnly},
      {"column a of table public.t", ObjectChange::kConflict}}},
    {"a trigger, and grants, on a table that the branch dropped",
     {{kTable, "1"}},
     {},
     {{kTable, "1"}, {"trigger x on public.t", "1"}, {"grants on table public.t to app", "1"}},
     {{kTable, ObjectChange::kBranchOnly},
      {"trigger x on public.t", ObjectChange::kConflict},
      {"grants on table public.t to app", ObjectChange::kConflict}}},
    {"a part that one side dropped, and the other with its table",
     {{kTable, "1"}, {"constraint c on public.t", "1"}},
     {},
     {{kTable, "1"}},
     {{kTable, ObjectChange::kBranchOnly}, {"constraint c on public.t", ObjectChange::kConflict}}},
    {"a part that both dropped with its table",
     {{kTable, "1"}, {"constraint c on public.t", "1"}},
     {},
     {},
     {{kTable, ObjectChange::kIdentical}, {"constraint c on public.t", ObjectChange::kIdentical}}},
    {"parts that go with their table",
     {{kTable, "1"}, {"column a of table public.t", "int"}},
     {},
     {{kTable, "1"}, {"column a of table public.t", "int"}},
     {{kTable, ObjectChange::kBranchOnly},
      {"column a of table public.t", ObjectChange::kBranchOnly}}},
};

std::map<std::string, ObjectChange> Changes(const std::vector<ObjectDifference> &differences) {
  std::map<std::string, ObjectChange> changes;
  for (const ObjectDifference &difference : differences)
    changes[difference.object] = difference.change;
  return changes;
}

ObjectChange Swapped(ObjectChange change) {
  if (change == ObjectChange::kBranchOnly) return ObjectChange::kParentOnly;
  if (change == ObjectChange::kParentOnly) return ObjectChange::kBranchOnly;
  return change;
}

TEST(ThreeWay, EveryChangeIsOneSidesOrBoths) {
  for (const Case &one : kCases) {
    EXPECT_EQ(Changes(CompareThreeWays(one.base, one.branch, one.parent)), one.expected)
        << one.what;
  }
}

TEST(ThreeWay, SidesCanBeSwapped) {
  for (const Case &one : kCases) {
    std::map<std::string, ObjectChange> expected;
    for (const auto &[object, change] : one.expected)
      expected[object] = Swapped(change);
    EXPECT_EQ(Changes(CompareThreeWays(one.base, one.parent, one.branch)), expected) << one.what;
  }
}

TEST(ThreeWay, DefinitionsOfAllSidesAreTold) {
  const auto found = CompareThreeWays({{"view v", "one"}}, {{"view v", "two"}}, {});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], (ObjectDifference{"view v", ObjectChange::kConflict, "one", "two", ""}));
  EXPECT_TRUE(HasConflict(found));
  EXPECT_FALSE(HasConflict(CompareThreeWays({}, {{"view v", "two"}}, {})));
}

TEST(ThreeWay, DescriptionsOfAnotherFormAreNotComparable) {
  const ObjectMap now = {{std::string(kFingerprintFormatKey), "x"}, {"table t", "1"}};
  const ObjectMap later = {{std::string(kFingerprintFormatKey), "y"}, {"table t", "1"}};
  const ObjectMap earlier = {{"table t", "1"}};
  EXPECT_TRUE(AreComparable(now, now));
  EXPECT_FALSE(AreComparable(now, later));
  EXPECT_FALSE(AreComparable(now, earlier));
  EXPECT_FALSE(AreComparable(earlier, earlier));
}

TEST(ThreeWay, TextThatIsNoDescriptionIsRefused) {
  for (const char *text : {"", "[]", "{", R"({"a":1})", "null"})
    EXPECT_EQ(ReadObjectMap(text).status().sqlstate(), "22P02") << text;
  EXPECT_EQ(ReadObjectMap(R"({"a":"1"})").value(), (ObjectMap{{"a", "1"}}));
}

}  // namespace
}  // namespace agent_branch
