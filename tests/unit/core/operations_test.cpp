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
    return {id, "br-1", "create_branch", status, {}};
  }
};

std::string Json(const std::string &id, const std::string &status,
                 const std::string &branch = "br-1") {
  return R"({"id":")" + id + R"(","branch_id":")" + branch + R"(","status":")" + status + "\"}";
}

TEST(Operations, OnesThatEndedInTheAnswerAreNotAskedFor) {
  OperationsFixture fixture;
  fixture.operations.Watch(&fixture.project, {fixture.Operation("a", "finished")},
                           fixture.Note("one"));
  fixture.operations.Watch(&fixture.project, {}, fixture.Note("none"));
  fixture.operations.Watch(&fixture.project, {fixture.Operation("b", "failed")},
                           fixture.Note("bad"));
  EXPECT_EQ(fixture.done, (Strings{"one", "none", "bad b failed"}));
  EXPECT_FALSE(fixture.operations.NextDeadline());
  EXPECT_FALSE(fixture.project.busy());
}

TEST(Operations, OneListServesAllWhoWait) {
  OperationsFixture fixture;
  fixture.operations.Watch(&fixture.project, {fixture.Operation("a", "running")},
                           fixture.Note("one"));
  fixture.operations.WatchIds(&fixture.project, {"b", "c"}, fixture.Note("two"));
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
  fixture.operations.WatchIds(&fixture.project, {"a"}, fixture.Note("one"));
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
  fixture.operations.WatchIds(&fixture.project, {"a"}, fixture.Note("one"));
  fixture.Poll("");
  fixture.Turn();
  fixture.Answer(fixture.http.sent.size() - 1, 404);
  EXPECT_EQ(fixture.done, Strings{"one a error"});
  EXPECT_FALSE(fixture.project.busy());
}

TEST(Operations, FailedOnesAreTold) {
  for (const char *status : {"failed", "error", "cancelled"}) {
    OperationsFixture fixture;
    fixture.operations.WatchIds(&fixture.project, {"a", "b"}, fixture.Note("one"));
    fixture.Poll(Json("a", "finished") + "," + Json("b", status));
    EXPECT_EQ(fixture.done, Strings{std::string("one b ") + status});
  }
}

TEST(Operations, BranchIsWaitedForUntilNothingOfItIsUnderWay) {
  OperationsFixture fixture;
  fixture.operations.WatchBranch(&fixture.project, "br-1", fixture.Note("one"));
  EXPECT_EQ(fixture.operations.NextDeadline(), fixture.clock.Now());
  fixture.Poll(Json("a", "running") + "," + Json("b", "finished"));
  EXPECT_TRUE(fixture.done.empty());
  fixture.Poll(Json("a", "finished") + "," + Json("c", "running", "br-2"));
  EXPECT_EQ(fixture.done, Strings{"one"});
}

TEST(Operations, ListThatWasAskedForBeforeSaysNothingOfABranch) {
  OperationsFixture fixture;
  fixture.operations.WatchIds(&fixture.project, {"a"}, fixture.Note("one"));
  fixture.AskNext();
  fixture.operations.WatchBranch(&fixture.project, "br-9", fixture.Note("two"));
  fixture.Answer(0, 200, R"({"operations":[)" + Json("a", "finished") + "]}");
  EXPECT_EQ(fixture.done, Strings{"one"});
  fixture.Poll(Json("b", "running", "br-9"));
  fixture.Poll(Json("b", "finished", "br-9"));
  EXPECT_EQ(fixture.done, (Strings{"one", "two"}));
}

TEST(Operations, AnswerOfAnotherShapeIsAskedForAgain) {
  OperationsFixture fixture;
  fixture.operations.WatchIds(&fixture.project, {"a"}, fixture.Note("one"));
  fixture.AskNext();
  fixture.Answer(0, 200, "<html>");
  EXPECT_TRUE(fixture.done.empty());
  fixture.Poll(Json("a", "finished"));
  EXPECT_EQ(fixture.done, Strings{"one"});
}

TEST(Operations, IntervalIsBoundedAndGrows) {
  OperationsFixture fixture;
  fixture.operations.WatchIds(&fixture.project, {"a"}, fixture.Note("one"));
  milliseconds last{0};
  int polls = 0;
  Instant end = fixture.clock.Now() + milliseconds(60'000);
  while (fixture.clock.Now() < end) {
    Instant before = fixture.clock.Now();
    fixture.Poll(Json("a", "running"));
    milliseconds interval = fixture.clock.Now() - before;
    EXPECT_GE(interval, milliseconds(20));
    EXPECT_LE(interval, milliseconds(2'000));
    EXPECT_GE(interval, last);
    last = polls == 0 ? milliseconds(0) : interval;
    ++polls;
  }
  EXPECT_EQ(last, milliseconds(2'000));
  EXPECT_LT(polls, 60);
}

TEST(Operations, WhatTheyTookBeforeIsWhenToLook) {
  OperationsFixture fixture;
  for (int n = 0; n < 20; ++n) {
    Instant begin = fixture.clock.Now();
    std::string id = "op-" + std::to_string(n);
    fixture.operations.Watch(&fixture.project, {fixture.Operation(id, "running")},
                             fixture.Note(id));
    size_t asked = fixture.http.sent.size();
    while (fixture.done.size() == static_cast<size_t>(n)) {
      fixture.AskNext();
      bool over = fixture.clock.Now() >= begin + milliseconds(1'000);
      fixture.Answer(fixture.http.sent.size() - 1, 200,
                     R"({"operations":[)" + Json(id, over ? "finished" : "running") + "]}");
    }
    if (n < 10) continue;
    EXPECT_LE(fixture.http.sent.size() - asked, 2u);
    EXPECT_LE(fixture.clock.Now(), begin + milliseconds(1'150));
  }
}

}  // namespace
}  // namespace agent_branch
