#include "worker/core/merge/carried_roles.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

const ObjectMap kBase = {{"role app", "1"},
                         {"membership of app in readers", "1"},
                         {"password of role app", "1"},
                         {"table public.orders", "1"}};

TEST(CarriedRoles, NothingThatIsAsItWasIsNamed) {
  EXPECT_EQ(UnrecordedRoles(kBase, kBase, {}), Strings());
  ObjectMap now = kBase;
  now["table public.orders"] = "2";
  now["table public.roles"] = "1";
  EXPECT_EQ(UnrecordedRoles(kBase, now, {}), Strings());
}

TEST(CarriedRoles, WhoeverCanLogInThatCouldNotIsNamed) {
  ObjectMap now = kBase;
  now["role backdoor"] = "1";
  now["membership of backdoor in neondb_owner"] = "1";
  now["password of role app"] = "2";
  EXPECT_EQ(
      UnrecordedRoles(kBase, now, {"CREATE TABLE t ()"}),
      (Strings{"membership of backdoor in neondb_owner", "password of role app", "role backdoor"}));
  now = kBase;
  now.erase("membership of app in readers");
  EXPECT_EQ(UnrecordedRoles(kBase, now, {}), Strings{"membership of app in readers"});
}

TEST(CarriedRoles, WhatAMigrationNamesIsRecorded) {
  ObjectMap now = kBase;
  now["role \"Report Writer\""] = "1";
  now["membership of \"Report Writer\" in readers"] = "1";
  EXPECT_EQ(UnrecordedRoles(kBase, now, {"create role \"Report Writer\" IN ROLE Readers"}),
            Strings());
  EXPECT_EQ(UnrecordedRoles(kBase, now, {"CREATE ROLE \"Report Writer\""}),
            Strings{"membership of \"Report Writer\" in readers"});
}

}  // namespace
}  // namespace agent_branch
