#include "worker/core/merge/blast_radius.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

// Three tables of the base; what was recorded is to be added.
RadiusSources Sources(const std::string &records) {
  RadiusSources sources;
  EXPECT_TRUE(AddRecord(records, &sources.recorded).ok()) << records;
  for (const char *table : {"public.a", "public.b", "public.c"})
    sources.base["table " + std::string(table)] = "hash";
  sources.branch_tables = {{"public.a", 1}, {"public.b", 2}, {"public.c", 3}, {"public.new", 9}};
  sources.parent_tables = {{"public.a", 1}, {"public.b", 2}, {"public.c", 3}, {"public.other", 8}};
  return sources;
}

BlastRadius Measure(const RadiusSources &sources) {
  return MeasureRadius(sources, FindTouched(sources), {{"public.a", 100}, {"public.b", 7}});
}

TEST(BlastRadius, CountsWhatIsDoneToTablesThatWereThereBefore) {
  const RadiusSources sources = Sources(
      R"([{"counted":true,"milliseconds":40,"locks":{"public.new":"AccessExclusiveLock",)"
      R"("public.b":"AccessShareLock"},"rows":{"public.new":{"inserted":50,"updated":9}}},)"
      R"({"counted":true,"milliseconds":20,"rewritten":["public.a"],"rows":)"
      R"({"public.c":{"updated":3,"deleted":2}},"locks":{"public.a":"AccessExclusiveLock",)"
      R"("public.c":"RowExclusiveLock"}},)"
      R"({"counted":true,"milliseconds":5,"rows":{},"locks":{"public.b":"ShareUpdateExclusiveLock"}}])");
  const BlastRadius radius = Measure(sources);
  EXPECT_EQ(radius.tables, (std::set<std::string>{"public.a", "public.b", "public.c"}));
  EXPECT_EQ(radius.rows_rewritten, 103);
  EXPECT_EQ(radius.rows_deleted, 2);
  EXPECT_EQ(radius.strongest_lock, "AccessExclusiveLock");
  EXPECT_EQ(radius.locked_table, "public.a");
  EXPECT_EQ(radius.longest_lock, milliseconds(25));  // not the time before public.a was locked
}

TEST(BlastRadius, DroppedRenamedAndEmptiedTablesAreTold) {
  RadiusSources sources =
      Sources(R"([{"counted":true,"milliseconds":30,"rows":{},"rewritten":["public.b"],"locks":)"
              R"({"public.b":"AccessExclusiveLock"}}])");
  sources.takes_rows_away = true;
  sources.branch_tables.erase("public.a");
  sources.branch_tables.erase("public.c");
  sources.branch_tables["public.c_before"] = 3;
  const BlastRadius radius = Measure(sources);
  EXPECT_EQ(radius.tables.size(), 3U);
  EXPECT_EQ(radius.rows_rewritten, 7);
  EXPECT_EQ(radius.rows_deleted, 107);
  EXPECT_EQ(radius.strongest_lock, "AccessExclusiveLock");
  EXPECT_EQ(radius.longest_lock, milliseconds(30));
}

TEST(BlastRadius, TableThatIsMadeAnewUnderItsNameWasDropped) {
  RadiusSources sources = Sources(R"([{"counted":true,"milliseconds":1,"rows":{},"locks":{}}])");
  sources.branch_tables["public.a"] = 10;
  EXPECT_EQ(Measure(sources).rows_deleted, 100);
}

TEST(BlastRadius, WhatWasNotMeasuredExceedsAnyLimit) {
  GateRow gate;
  gate.max_rows_deleted = 1'000'000;
  gate.strongest_lock = "AccessExclusiveLock";
  gate.longest_lock = milliseconds(1'000);
  const Strings exceeded = FindExceeded(gate, Measure(Sources(R"([{"counted":false}])")));
  EXPECT_EQ(
      exceeded,
      (Strings{R"({"limit":"max_rows_deleted","allowed":1000000,"measured":null})",
               R"({"limit":"longest_lock","allowed":1000,"measured":null})",
               R"({"limit":"strongest_lock","allowed":"AccessExclusiveLock","measured":null})"}));
  // The size of a table that nobody could ask for is no size of zero.
  RadiusSources unsized = Sources(R"([{"counted":true,"rows":{},"locks":{}}])");
  unsized.branch_tables.erase("public.c");
  EXPECT_EQ(Measure(unsized).rows_deleted, std::nullopt);
}

TEST(BlastRadius, LimitsAreNamedWithWhatWasMeasured) {
  const RadiusSources sources =
      Sources(R"([{"counted":true,"milliseconds":20,"rows":{"public.c":{"deleted":2}},"locks":)"
              R"({"public.c":"ShareLock"}}])");
  GateRow gate;
  gate.max_tables = 0;
  gate.max_rows_deleted = 1;
  gate.max_rows_rewritten = 0;
  gate.strongest_lock = "RowExclusiveLock";
  gate.longest_lock = milliseconds(19);
  EXPECT_EQ(FindExceeded(gate, Measure(sources)),
            (Strings{R"({"limit":"max_tables","allowed":0,"measured":1})",
                     R"({"limit":"max_rows_deleted","allowed":1,"measured":2})",
                     R"({"limit":"longest_lock","allowed":19,"measured":20})",
                     R"({"limit":"strongest_lock","allowed":"RowExclusiveLock",)"
                     R"("measured":"ShareLock on public.c"})"}));
  gate.max_tables = 1;
  gate.max_rows_deleted = 2;
  gate.strongest_lock = "ShareLock";
  gate.longest_lock = milliseconds(20);
  EXPECT_EQ(FindExceeded(gate, Measure(sources)), Strings{});
  EXPECT_EQ(FindExceeded(GateRow(), Measure(sources)), Strings{});
}

TEST(BlastRadius, SizesAreAskedForAndRead) {
  EXPECT_EQ(SizeQuestion({"public.a", "\"A\".\"b\""}),
            R"([{"n":0,"relation":"public.a"},{"n":1,"relation":"\"A\".\"b\""}])");
  const auto sizes = ReadSizes(R"([{"n":1,"rows":5},{"n":0,"rows":null},{"n":7,"rows":1}])",
                               {"public.a", "public.b"});
  EXPECT_EQ(sizes, (std::map<std::string, int64_t>{{"public.b", 5}}));
  EXPECT_TRUE(ReadSizes("nope", {"public.a"}).empty());
}

}  // namespace
}  // namespace agent_branch
