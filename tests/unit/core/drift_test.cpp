#include "worker/core/merge/drift.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

TEST(Drift, AddedChangedAndDroppedObjectsAreTold) {
  std::vector<ConflictRow> drift = FindDrift(R"({"table a":"1","table b":"2","table c":"3"})",
                                             R"({"table b":"2","table c":"4","view d":"5"})", 10);
  ASSERT_EQ(drift.size(), 3u);
  EXPECT_EQ(drift[0].object + " " + drift[0].change, "table a dropped");
  EXPECT_EQ(drift[0].base_hash, "1");
  EXPECT_EQ(drift[0].parent_hash, "");
  EXPECT_EQ(drift[1].object + " " + drift[1].change, "table c changed");
  EXPECT_EQ(drift[1].base_hash, "3");
  EXPECT_EQ(drift[1].parent_hash, "4");
  EXPECT_EQ(drift[2].object + " " + drift[2].change, "view d added");
  EXPECT_EQ(drift[2].parent_hash, "5");
}

TEST(Drift, SameSchemasHaveNone) {
  EXPECT_TRUE(FindDrift(R"({"a":"1","b":"2"})", R"({"b":"2","a":"1"})", 10).empty());
  EXPECT_TRUE(FindDrift("{}", "{}", 10).empty());
}

TEST(Drift, LimitIsKept) {
  std::string many;
  for (int n = 0; n < 5'000; ++n)
    many += (n == 0 ? "{\"t" : ",\"t") + std::to_string(n) + "\":\"x\"";
  many += "}";
  EXPECT_EQ(FindDrift("{}", many, 1'000).size(), 1'000u);
  EXPECT_EQ(FindDrift(many, "{}", 3).size(), 3u);
  EXPECT_TRUE(FindDrift(many, "{}", 0).empty());
}

TEST(Drift, WhatIsNoObjectOfHashesIsNoSchema) {
  for (const char *text : {"", "[", "[]", "null", "7", R"({"a":1,"b":{},"c":null})"}) {
    EXPECT_TRUE(FindDrift(text, text, 10).empty()) << text;
    EXPECT_EQ(FindDrift(text, R"({"a":"1"})", 10).size(), 1u) << text;
  }
  EXPECT_TRUE(FindDrift(std::string(1'000'000, '['), "{}", 10).empty());
}

TEST(Drift, NamesAreCutAndCleaned) {
  std::vector<ConflictRow> drift =
      FindDrift("{}", "{\"table a\\nb" + std::string(1'000, 'x') + "\":\"1\"}", 10);
  ASSERT_EQ(drift.size(), 1u);
  EXPECT_EQ(drift[0].object.size(), 500u);
  EXPECT_EQ(drift[0].object.substr(0, 9), "table a b");
}

TEST(Drift, DescriptionNamesThree) {
  auto row = [](const char *object, const char *change) {
    ConflictRow conflict;
    conflict.object = object;
    conflict.change = change;
    return conflict;
  };
  std::vector<ConflictRow> drift = {row("table a", "changed")};
  EXPECT_EQ(DescribeDrift(drift), "table a changed");
  drift.push_back(row("index b", "added"));
  drift.push_back(row("view c", "dropped"));
  EXPECT_EQ(DescribeDrift(drift), "table a changed, index b added, view c dropped");
  drift.push_back(row("view d", "dropped"));
  drift.push_back(row("view e", "dropped"));
  EXPECT_EQ(DescribeDrift(drift), "table a changed, index b added, view c dropped and 2 more");
  EXPECT_EQ(DescribeDrift({}), "");
}

}  // namespace
}  // namespace agent_branch
