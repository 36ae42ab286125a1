#include "worker/core/neon/operations.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/calls_fixture.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

struct OperationsFixture : CallsFixture {
  Operations operations{calls.get(), &clock};
  Strings done;  // "name", and the statuses of the operations that failed

  Operations::Done Note(const std::string &name) {
    return [this, name](const std::vector<NeonOperation> &failed) {
      std::string text = name;
      for (const NeonOperation &operation : failed)
        text += " " + operation.id + " " + operation.status;
      done.push_back(text);
    };
  }
  // Lets time pass until something is asked, and answers it.
  void Poll(const std::string &operations_json) {
    AskNext();
    Answer(http.sent.size() - 1, 200, R"({"operations":[)" + operations_json + "]}");
  }
  void AskNext() {
    ASSERT_TRUE(operations.NextDeadline());
    clock.AdvanceTo(*operations.NextDeadline());
    operations.Advance();
    Turn();
  }
  static NeonOperation Operation(const std::string &id, const std::string &status) {
    NeonOperation operation;
    operation.id = id;
    operation.branch_id = "br-1";
    operation.action = "create_branch";
    operation.status = status;
    return operation;
  }
  uint64_t Watch(const std::vector<NeonOperation> &watched, Operations::Done told) {
    return operations.Watch({&project, watched, {}, {}, std::move(told)});
  }
  uint64_t WatchIds(const Strings &ids, Operations::Done told) {
    return operations.Watch({&project, {}, ids, {}, std::move(told)});
  }
  uint64_t WatchBranch(const std::string &branch_id, Operations::Done told) {
    return operations.Watch({&project, {}, {}, branch_id, std::move(told)});
  }
};

std::string Json(const std::string &id, const std::string &status,
                 const std::string &branch = "br-1") {
  return R"({"id":")" + id + R"(","branch_id":")" + branch + R"(","status":")" + status + "\"}";
}

TEST(Operations, OnesThatEndedInTheAnswerAreNotAskedFor) {
  OperationsFixture fixture;
  fixture.Watch({fixture.Operation("a", "finished")}, fixture.Note("one"));
  fixture.Watch({}, fixture.Note("none"));
  fixture.Watch({fixture.Operation("b", "failed")}, fixture.Note("bad"));
  EXPECT_EQ(fixture.done, (Strings{"one", "none", "bad b failed"}));
  EXPECT_FALSE(fixture.operations.NextDeadline());
  EXPECT_FALSE(fixture.project.busy());
}

TEST(Operations, OneListServesAllWhoWait) {
  OperationsFixture fixture;
  fixture.Watch({fixture.Operation("a", "running")}, fixture.Note("one"));
  fixture.WatchIds({"b", "c"}, fixture.Note("two"));
  EXPECT_TRUE(fixture.project.busy());
  fixture.Poll(Json("a", "finished") + "," + Json("b", "running") + "," + Json("c", "skipped"));
  EXPECT_EQ(fixture.done, Strings{"one"});
  EXPECT_TRUE(fixture.project.busy());
  fixture.Poll(Json("b", "finished"));
  EXPECT_EQ(fixture.done, (Strings{"one", "two"}));
  EXPECT_FALSE(fixture.project.busy());
  EXPECT_EQ(fixture.Sent(),
            (Strings{"/projects/p1/operations?limit=100", "/projects/p1/operations?limit=100"}));
}

TEST(Operations, OneThatIsMissingFromThePageIsAskedForAloneAndOnce) {
  OperationsFixture fixture;
  fixture.WatchIds({"a"}, fixture.Note("one"));
  fixture.Poll(Json("newer", "finished"));
  fixture.Turn();
  ASSERT_EQ(fixture.Sent().back(), "/projects/p1/operations/a");
  size_t alone = fixture.http.sent.size() - 1;
  fixture.Poll(Json("newer", "finished"));
  fixture.Turn();
  EXPECT_EQ(fixture.Sent().back(), "/projects/p1/operations?limit=100");
  fixture.Answer(alone, 200, R"({"operation":)" + Json("a", "running") + "}");
  EXPECT_TRUE(fixture.done.empty());
  fixture.Poll(Json("newer", "finished"));
  fixture.Turn();
  ASSERT_EQ(fixture.Sent().back(), "/projects/p1/operations/a");
  fixture.Answer(fixture.http.sent.size() - 1, 200,
                 R"({"operation":)" + Json("a", "finished") + "}");
  EXPECT_EQ(fixture.done, Strings{"one"});
}

TEST(Operations, OneThatNeonForgotIsToldAsAnError) {
  OperationsFixture fixture;
  fixture.WatchIds({"a"}, fixture.Note("one"));
  fixture.Poll("");
  fixture.Turn();
  fixture.Answer(fixture.http.sent.size() - 1, 404);
  EXPECT_EQ(fixture.done, Strings{"one a error"});
  EXPECT_FALSE(fixture.project.busy());
}

TEST(Operations, FailedOnesAreTold) {
  for (const char *status : {"failed", "error", "cancelled"}) {
    OperationsFixture fixture;
    fixture.WatchIds({"a", "b"}, fixture.Note("one"));
    fixture.Poll(Json("a", "finished") + "," + Json("b", status));
    EXPECT_EQ(fixture.done, Strings{std::string("one b ") + status});
  }
}

TEST(Operations, BranchIsWaitedForUntilNothingOfItIsUnderWay) {
  OperationsFixture fixture;
  fixture.WatchBranch("br-1", fixture.Note("one"));
  EXPECT_EQ(fixture.operations.NextDeadline(), fixture.clock.Now());
  fixture.Poll(Json("a", "running") + "," + Json("b", "finished"));
  EXPECT_TRUE(fixture.done.empty());
  fixture.Poll(Json("a", "finished") + "," + Json("c", "running", "br-2"));
  EXPECT_EQ(fixture.done, Strings{"one"});
}

TEST(Operations, ListThatWasAskedForBeforeSaysNothingOfABranch) {
  OperationsFixture fixture;
  fixture.WatchIds({"a"}, fixture.Note("one"));
  fixture.AskNext();
  fixture.WatchBranch("br-9", fixture.Note("two"));
  fixture.Answer(0, 200, R"({"operations":[)" + Json("a", "finished") + "]}");
  EXPECT_EQ(fixture.done, Strings{"one"});
  fixture.Poll(Json("b", "running", "br-9"));
  fixture.Poll(Json("b", "finished", "br-9"));
  EXPECT_EQ(fixture.done, (Strings{"one", "two"}));
}

TEST(Operations, AnswerOfAnotherShapeIsAskedForAgain) {
  OperationsFixture fixture;
  fixture.WatchIds({"a"}, fixture.Note("one"));
  fixture.AskNext();
  fixture.Answer(0, 200, "<html>");
  EXPECT_TRUE(fixture.done.empty());
  fixture.Poll(Json("a", "finished"));
  EXPECT_EQ(fixture.done, Strings{"one"});
}

TEST(Operations, IntervalIsBoundedAndGrows) {
  OperationsFixture fixture;
  fixture.WatchIds({"a"}, fixture.Note("one"));
  milliseconds last{0};
  int polls = 0;
  Instant end = fixture.clock.Now() + milliseconds(60'000);
  while (fixture.clock.Now() < end) {
    Instant before = fixture.clock.Now();
    fixture.Poll(Json("a", "running"));
    milliseconds interval = fixture.clock.Now() - before;
    EXPECT_GE(interval, milliseconds(1));
    EXPECT_LE(interval, milliseconds(30'000));
    EXPECT_GE(interval, last);
    last = interval;
    ++polls;
  }
  EXPECT_GE(last, milliseconds(15'000));
  EXPECT_LT(polls, 35);
}

TEST(Operations, OneThatDoesNotEndIsGivenUp) {
  OperationsFixture fixture;
  fixture.WatchIds({"a"}, fixture.Note("one"));
  const Instant begin = fixture.clock.Now();
  int polls = 0;
  while (fixture.done.empty()) {
    ASSERT_LT(++polls, 100);
    fixture.Poll(Json("a", "running"));
  }
  EXPECT_EQ(fixture.done, Strings{"one a not ended"});
  EXPECT_LE(fixture.clock.Now(), begin + milliseconds(1'000'000));
  EXPECT_FALSE(fixture.project.busy());
}

// As when the key was refused all the time.
TEST(Operations, OneThatEndedIsNotGivenUpThoughNobodyCouldLook) {
  for (const bool by_branch : {false, true}) {
    OperationsFixture fixture;
    if (by_branch) {
      fixture.WatchBranch("br-1", fixture.Note("one"));
    } else {
      fixture.WatchIds({"a"}, fixture.Note("one"));
    }
    fixture.AskNext();
    fixture.clock.Advance(milliseconds(3'600'000));
    fixture.Answer(fixture.http.sent.size() - 1, 200,
                   R"({"operations":[)" + Json("a", "finished") + "]}");
    EXPECT_EQ(fixture.done, Strings{"one"});
    EXPECT_FALSE(fixture.project.busy());
  }
}

TEST(Operations, NobodyIsToldOfWhatIsForgotten) {
  OperationsFixture fixture;
  const uint64_t ticket = fixture.WatchIds({"a"}, fixture.Note("one"));
  fixture.operations.Forget(ticket);
  EXPECT_FALSE(fixture.project.busy());
  EXPECT_FALSE(fixture.operations.NextDeadline());
}

// What an operation says that it took, and never when somebody looked, is when to look at the next.
TEST(Operations, WhatTheySayThatTheyTookIsWhenToLook) {
  OperationsFixture fixture;
  for (const int took : {1, 400}) {
    OperationsFixture each;
    const std::string duration =
        R"(,"action":"create_branch","total_duration_ms":)" + std::to_string(took) + "}";
    const auto finished = [&](const std::string &id) {
      std::string json = Json(id, "finished");
      return json.substr(0, json.size() - 1) + duration;
    };
    each.Watch({each.Operation("a", "running")}, each.Note("a"));
    each.clock.Advance(milliseconds(5'000));  // looked at late
    each.Poll(finished("a"));
    const Instant begin = each.clock.Now();
    each.Watch({each.Operation("b", "running")}, each.Note("b"));
    EXPECT_EQ(each.operations.NextDeadline(), begin + milliseconds(took));
    each.Poll(finished("b"));
    EXPECT_EQ(each.done, (Strings{"a", "b"}));
  }
}

TEST(Operations, ThoseThatLastAreLookedAtTogether) {
  OperationsFixture fixture;
  fixture.WatchIds({"a"}, fixture.Note("one"));
  fixture.clock.Advance(milliseconds(7'000));
  fixture.WatchIds({"b"}, fixture.Note("two"));
  const Instant end = fixture.clock.Now() + milliseconds(600'000);
  while (fixture.clock.Now() < end - milliseconds(480'000))
    fixture.Poll(Json("a", "running") + "," + Json("b", "running"));
  const size_t before = fixture.http.sent.size();
  while (fixture.clock.Now() < end)
    fixture.Poll(Json("a", "running") + "," + Json("b", "running"));
  // One each half a minute, whoever it is for.
  EXPECT_LE(fixture.http.sent.size() - before, 17u);
}

}  // namespace
}  // namespace agent_branch
