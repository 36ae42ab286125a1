#include "worker/core/neon/api_calls.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/calls_fixture.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(ApiCalls, RequestHasTheUrlTheKeyAndItsBody) {
  CallsFixture fixture;
  fixture.Read("GET", "/projects/p");
  fixture.Change("POST", "/projects/p/branches", "{\"a\":1}");
  fixture.Turn();
  ASSERT_EQ(fixture.http.sent.size(), 2u);
  const HttpRequest &read = fixture.http.sent[0].request;
  EXPECT_EQ(read.method, "GET");
  EXPECT_EQ(read.url, "https://neon.test/api/v2/projects/p");
  ASSERT_EQ(read.headers.size(), 2u);
  EXPECT_EQ(read.headers[0].first, "Authorization");
  EXPECT_EQ(read.headers[0].second.Reveal(), "Bearer key of the setting");
  const HttpRequest &change = fixture.http.sent[1].request;
  EXPECT_EQ(change.body, "{\"a\":1}");
  EXPECT_EQ(change.headers.at(2).first, "Content-Type");
  EXPECT_EQ(fixture.calls->sent_total(), 2);
}

TEST(ApiCalls, ChangeIsSentOnlyOnceItsStepIsCommitted) {
  CallsFixture fixture;
  fixture.Change("POST", "/a");
  fixture.calls->Dispatch();
  EXPECT_TRUE(fixture.http.sent.empty());
  ASSERT_EQ(fixture.journal.batch().mutations.size(), 1u);
  EXPECT_EQ(std::get<StepRow>(fixture.journal.batch().mutations[0]).status, "intended");
  fixture.journal.Committed();
  EXPECT_EQ(fixture.http.sent.size(), 1u);
  fixture.Answer(0, 201);
  const auto &recorded = std::get<StepRow>(fixture.journal.batch().mutations.at(0));
  EXPECT_EQ(recorded.status, "done");
  EXPECT_EQ(fixture.ended, Strings{"/a done"});
}

TEST(ApiCalls, RefusedChangeIsRecordedAsWithoutEffect) {
  CallsFixture fixture;
  fixture.Change("POST", "/a");
  fixture.Turn();
  fixture.Answer(0, 422, R"({"code":"","message":"no"})");
  const auto &recorded = std::get<StepRow>(fixture.journal.batch().mutations.at(0));
  EXPECT_EQ(recorded.status, "refused");
  EXPECT_NE(recorded.outcome.find("no"), std::string::npos);
  EXPECT_EQ(fixture.ended, Strings{"/a refused"});
}

// Neon has not published which changes exclude each other: how many it takes is learned.
TEST(ApiCalls, OneChangeOfAProjectIsUnderWayUntilNeonHasTakenOne) {
  CallsFixture fixture;
  fixture.Change("POST", "/a");
  fixture.Change("POST", "/b");
  fixture.Read("GET", "/c");
  fixture.Change("POST", "/d", {}, &fixture.other);
  fixture.Turn();
  EXPECT_EQ(fixture.Sent(), (Strings{"/c", "/a", "/d"}));
  fixture.Answer(1, 201);
  fixture.project.operations_under_way = 2;
  fixture.Turn();
  EXPECT_EQ(fixture.Sent().size(), 3u);  // operations are changes that are not over
  fixture.project.operations_under_way = 1;
  fixture.Turn();
  EXPECT_EQ(fixture.Sent().back(), "/b");
}

TEST(ApiCalls, ProjectTakesTwiceAsManyChangesUntilItIsBusyAndThenHalf) {
  CallsFixture fixture;
  for (int n = 0; n < 16; ++n)
    fixture.Change("POST", "/" + std::to_string(n));
  size_t answered = 0;
  for (const size_t sent : {1u, 3u, 7u, 15u}) {
    fixture.Turn();
    ASSERT_EQ(fixture.Sent().size(), sent);
    while (answered < sent)
      fixture.Answer(answered++, 201);
  }
  EXPECT_EQ(fixture.project.change_limit(), 16);
  fixture.Turn();
  fixture.Answer(15, 423);
  EXPECT_EQ(fixture.project.change_limit(), 8);
}

TEST(ApiCalls, CleanupGoesFirstThenMergesMigrationsAndNewBranches) {
  CallsFixture fixture;
  fixture.settings.rate_limit_burst = 1;
  fixture.Restart();
  fixture.Read("GET", "/create 1", Priority::kCreate);
  fixture.Read("GET", "/migrate", Priority::kMigrate);
  fixture.Read("GET", "/merge", Priority::kMerge);
  fixture.Read("GET", "/create 2", Priority::kCreate);
  fixture.Read("GET", "/cleanup", Priority::kCleanup);
  fixture.Read("GET", "/poll", Priority::kPoll);
  for (int n = 0; n < 6; ++n) {
    fixture.Turn();
    fixture.clock.Advance(milliseconds(1'000));
  }
  EXPECT_EQ(fixture.Sent(),
            (Strings{"/poll", "/cleanup", "/merge", "/migrate", "/create 1", "/create 2"}));
}

TEST(ApiCalls, BudgetIsKeptAndTheNextDeadlineSaysWhenItGoesOn) {
  CallsFixture fixture;
  for (int n = 0; n < 50; ++n)
    fixture.Read("GET", "/x");
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 40u);
  EXPECT_EQ(fixture.calls->budget_left(), 0);
  ASSERT_TRUE(fixture.calls->NextDeadline());
  // All are of one route: its second has to pass.
  EXPECT_EQ(*fixture.calls->NextDeadline(), fixture.clock.Now() + milliseconds(1'000));
  fixture.clock.Advance(milliseconds(1'000));
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 50u);
}

TEST(ApiCalls, ConnectionsAreLimited) {
  CallsFixture fixture;
  fixture.settings.rate_limit_per_minute = 100'000;
  fixture.settings.rate_limit_burst = 1'000;
  fixture.Restart();
  for (int n = 0; n < 100; ++n)
    fixture.Read("GET", "/x");
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 64u);
  fixture.Answer(0, 200);
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 65u);
}

TEST(ApiCalls, BusyThrottledAndUnavailableAreSentAgainAfterRetryAfter) {
  for (int status : {423, 429, 503}) {
    SCOPED_TRACE(status);
    CallsFixture fixture;
    fixture.Change("POST", "/a");
    fixture.Turn();
    HttpCompletion completion = FakeTransport::Answer(fixture.http.sent[0].id, status, "");
    completion.response.retry_after = std::chrono::seconds(7);
    fixture.calls->OnCompletion(completion);
    EXPECT_TRUE(fixture.ended.empty());
    EXPECT_EQ(fixture.project.changes_under_way, 0);
    fixture.clock.Advance(milliseconds(6'999));
    fixture.Turn();
    EXPECT_EQ(fixture.http.sent.size(), 1u);
    ASSERT_TRUE(fixture.calls->NextDeadline());
    fixture.clock.AdvanceTo(*fixture.calls->NextDeadline());
    fixture.Turn();
    fixture.clock.Advance(milliseconds(100));  // of an empty bucket
    fixture.Turn();
    ASSERT_EQ(fixture.http.sent.size(), 2u);
    fixture.Answer(1, 201);
    EXPECT_EQ(fixture.ended, Strings{"/a done"});
    // One step, however often it was sent.
    EXPECT_EQ(fixture.steps_intended, 1);
  }
}

TEST(ApiCalls, BusyProjectHoldsBackItsOtherChangesToo) {
  CallsFixture fixture;
  fixture.Change("POST", "/a");
  fixture.Change("POST", "/b");
  fixture.Turn();
  fixture.Answer(0, 423);
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 1u);
  // Half of 100 ms, as the numbers have it.
  EXPECT_EQ(*fixture.calls->NextDeadline(), fixture.clock.Now() + milliseconds(50));
}

TEST(ApiCalls, BusyIsTroubleOnlyWhenItStaysBusy) {
  CallsFixture fixture;
  fixture.Read("GET", "/a");
  for (int n = 0; n < 5; ++n) {
    fixture.Turn();
    EXPECT_EQ(fixture.troubles.size(), 0u);
    fixture.Answer(static_cast<size_t>(n), 423);
    fixture.clock.Advance(milliseconds(10'000));
  }
  ASSERT_EQ(fixture.troubles.size(), 1u);
  fixture.Turn();
  fixture.Answer(5, 200);
  EXPECT_EQ(fixture.troubles.back(), "/a over");
}

TEST(ApiCalls, UnknownOutcomeIsAnEndForAChangeAndATryForARead) {
  CallsFixture fixture;
  fixture.Change("POST", "/a");
  fixture.Read("GET", "/b");
  fixture.Turn();
  ASSERT_EQ(fixture.Sent(), (Strings{"/b", "/a"}));
  fixture.calls->OnCompletion(FakeTransport::Fail(fixture.http.sent[0].id, HttpOutcome::kUnknown));
  fixture.calls->OnCompletion(FakeTransport::Fail(fixture.http.sent[1].id, HttpOutcome::kUnknown));
  EXPECT_EQ(fixture.ended, Strings{"/a unknown"});
  EXPECT_TRUE(fixture.journal.batch().mutations.empty());  // its step stays open
  fixture.clock.Advance(milliseconds(10'000));
  fixture.Turn();
  EXPECT_EQ(fixture.Sent().back(), "/b");
}

TEST(ApiCalls, SilenceIsTroubleAfterFiveSeconds) {
  CallsFixture fixture;
  fixture.Read("GET", "/a");
  fixture.Turn();
  EXPECT_EQ(fixture.calls->NextDeadline(), fixture.clock.Now() + milliseconds(5'000));
  fixture.clock.Advance(milliseconds(4'999));
  fixture.Turn();
  EXPECT_TRUE(fixture.troubles.empty());
  fixture.clock.Advance(milliseconds(1));
  fixture.Turn();
  EXPECT_EQ(fixture.troubles, Strings{"/a the Neon API has not answered yet"});
  EXPECT_FALSE(fixture.calls->NextDeadline());
  fixture.Answer(0, 200);
  EXPECT_EQ(fixture.troubles.back(), "/a over");
}

TEST(ApiCalls, OtherHostEndsWhatReadsFromTheOldOne) {
  CallsFixture fixture;
  fixture.Read("GET", "/a");
  fixture.Change("POST", "/b");
  fixture.Turn();
  fixture.settings.api_url = "https://other.test/api/v2";
  fixture.calls->Reconfigure();
  EXPECT_EQ(fixture.http.cancelled, std::vector<uint64_t>{fixture.http.sent[0].id});
  fixture.Turn();
  ASSERT_EQ(fixture.http.sent.size(), 3u);
  EXPECT_EQ(fixture.http.sent[2].request.url, "https://other.test/api/v2/a");
  fixture.Answer(1, 201);
  EXPECT_EQ(fixture.ended, Strings{"/b done"});
}

TEST(ApiCalls, ReadIsTakenBackWhereverItIs) {
  CallsFixture fixture;
  uint64_t waiting = fixture.Read("GET", "/a");
  EXPECT_TRUE(fixture.calls->Cancel(waiting));
  fixture.Turn();
  EXPECT_TRUE(fixture.http.sent.empty());
  uint64_t sent = fixture.Read("GET", "/b");
  fixture.Turn();
  EXPECT_TRUE(fixture.calls->Cancel(sent));
  EXPECT_EQ(fixture.http.cancelled, std::vector<uint64_t>{sent});
  EXPECT_EQ(fixture.calls->under_way(), 0u);
  fixture.Answer(0, 200);
  EXPECT_TRUE(fixture.ended.empty());
  EXPECT_TRUE(fixture.calls->Cancel(sent));
}

TEST(ApiCalls, ChangeIsTakenBackUntilItIsIntended) {
  CallsFixture fixture;
  uint64_t first = fixture.Change("POST", "/a");
  uint64_t second = fixture.Change("POST", "/b");
  fixture.calls->Dispatch();
  EXPECT_FALSE(fixture.calls->Cancel(first));  // its step is in the batch
  EXPECT_TRUE(fixture.calls->Cancel(second));
  fixture.journal.Committed();
  EXPECT_FALSE(fixture.calls->Cancel(first));
  fixture.Answer(0, 423);
  EXPECT_TRUE(fixture.calls->Cancel(first));  // it had no effect, as the answer says
  const auto &mutations = fixture.journal.batch().mutations;
  ASSERT_EQ(mutations.size(), 1u);
  EXPECT_EQ(std::get<StepRow>(mutations[0]).status, "refused");
  EXPECT_EQ(std::get<StepRow>(mutations[0]).outcome, "given up before it was tried again");
  fixture.clock.Advance(milliseconds(60'000));
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 1u);
}

}  // namespace
}  // namespace agent_branch
