#include "worker/core/merge/dependencies.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

// object, at the fork, on the branch, on the parent; "" where there is none.
ObjectDifference Changed(const std::string &object, const std::string &base,
                         const std::string &branch, const std::string &parent) {
  return {object, ObjectChange::kBranchOnly, base, branch, parent};
}

struct Case {
  const char *what;
  ObjectDifference made;  // by the branch
  const char *definition;
  ObjectDifference other;  // by the parent
  bool depends;
};

TEST(Dependencies, WhatOneSideMadeOfWhatTheOtherChangedIsFoundWhicheverSideItIs) {
  const Case kCases[] = {
      {"a body that reads a table that was dropped", Changed("function public.g()", "", "h", ""),
       "CREATE FUNCTION public.g() AS $$ BEGIN RETURN (SELECT count(*) FROM orders); END $$",
       Changed("table public.orders", "t", "t", ""), true},
      {"another table", Changed("function public.g()", "", "h", ""), "SELECT 1 FROM customers",
       Changed("table public.orders", "t", "t", ""), false},
      {"a table whose options changed", Changed("function public.g()", "", "h", ""),
       "SELECT 1 FROM orders", Changed("table public.orders", "t", "t", "u"), false},
      {"a column that was dropped", Changed("function public.g()", "", "h", ""),
       "SELECT price FROM public.orders",
       Changed("column price of table public.orders", "t", "t", ""), true},
      {"the same name in another table", Changed("function public.g()", "", "h", ""),
       "SELECT price FROM public.items",
       Changed("column price of table public.orders", "t", "t", ""), false},
      {"a column whose default changed", Changed("function public.g()", "", "h", ""),
       "SELECT price FROM public.orders",
       Changed("column price of table public.orders", "t", "t", "u"), false},
      {"a function that says something else now", Changed("view public.v", "", "h", ""),
       "as SELECT public.tax(price) FROM public.orders",
       Changed("function public.tax(numeric)", "t", "t", "u"), true},
      {"a quoted name", Changed("policy p on public.t", "", "h", ""), R"(using (public."Tax"(1)))",
       Changed("function public.\"Tax\"(integer)", "t", "t", ""), true},
      {"a quoted name is not its lower case", Changed("policy p on public.t", "", "h", ""),
       "using (public.tax(1))", Changed("function public.\"Tax\"(integer)", "t", "t", ""), false},
      {"what was not there before is used by nobody", Changed("view public.v", "", "h", ""),
       "as SELECT public.tax(price)", Changed("function public.tax(numeric)", "", "", "u"), false},
      {"what the side itself has not changed", Changed("view public.v", "h", "h", "h"),
       "as SELECT public.tax(price)", Changed("function public.tax(numeric)", "t", "t", "u"),
       false},
      {"privileges use nothing", Changed("grants on table public.tax to app", "", "h", ""), "tax",
       Changed("function public.tax(numeric)", "t", "t", "u"), false},
  };
  for (const Case &one : kCases) {
    const ObjectMap definitions{{one.made.object, one.definition}};
    std::vector<Dependence> expected;
    if (one.depends) expected.push_back({one.made.object, one.other.object});
    EXPECT_EQ(FindDependences({one.made, one.other}, definitions, {}), expected) << one.what;
    const auto swapped = [](ObjectDifference side) {
      std::swap(side.branch, side.parent);
      return side;
    };
    EXPECT_EQ(FindDependences({swapped(one.made), swapped(one.other)}, {}, definitions), expected)
        << one.what << ", by the parent";
    if (one.depends) {
      EXPECT_EQ(MayDepend({one.made, one.other}, true), Strings{one.made.object}) << one.what;
    }
  }
}

TEST(Dependencies, TypeOfAColumnMattersToWhatKeepsItOnly) {
  ObjectDifference column{"column n of table public.b", ObjectChange::kParentOnly, "1", "1", "2"};
  ObjectDifference policy{"policy p on public.b", ObjectChange::kBranchOnly, "", "3", ""};
  ObjectDifference function{"function public.f()", ObjectChange::kBranchOnly, "", "4", ""};
  const std::vector<ObjectDifference> all{column, policy, function};
  const std::vector<std::string> columns = ChangedColumns(all);
  ASSERT_EQ(columns, std::vector<std::string>{column.object});
  const ObjectMap branch{{column.object, "integer not null storage p"},
                         {policy.object, "permissive for * using ((n > 2))"},
                         {function.object, "BEGIN RETURN (SELECT sum(n) FROM b); END"}};
  const std::set<std::string> retyped =
      FindRetyped(columns, branch, {{column.object, "bigint not null storage p"}});
  ASSERT_EQ(retyped.size(), 1u);
  const std::vector<Dependence> found = FindDependences(all, branch, {}, retyped);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].object, policy.object);
  EXPECT_TRUE(
      FindRetyped(columns, branch, {{column.object, "integer not null default 1 storage p"}})
          .empty());
}

}  // namespace
}  // namespace agent_branch
