// What ApiCalls does when a key, or the API, fails.
#include <gtest/gtest.h>

#include "tests/unit/core/calls_fixture.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(ApiKeys, RefusedKeyIsProbedOneCallAtATime) {
  CallsFixture fixture;
  for (const char *path : {"/a", "/b", "/c"})
    fixture.Read("GET", path);
  fixture.Turn();
  ASSERT_EQ(fixture.http.sent.size(), 3u);
  for (size_t n = 0; n < 3; ++n)
    fixture.Answer(n, 401);
  EXPECT_EQ(fixture.calls->under_way(), 0u);
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 3u);
  fixture.clock.Advance(milliseconds(20'000));
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 4u);  // one, though all three may go
  fixture.Answer(3, 401);
  fixture.clock.Advance(milliseconds(20'000));
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 5u);
  fixture.Answer(4, 200);
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 7u);  // it works again: all go
}

TEST(ApiKeys, AllCallsOfTheKeyAreToldAndLateComersToo) {
  CallsFixture fixture;
  fixture.Read("GET", "/a");
  fixture.Turn();
  fixture.Change("POST", "/b");
  fixture.Answer(0, 401);
  EXPECT_EQ(fixture.troubles.size(), 2u);
  fixture.Read("GET", "/c");
  ASSERT_EQ(fixture.troubles.size(), 3u);
  EXPECT_EQ(fixture.troubles.back(), "/c the Neon API does not accept the API key");
}

TEST(ApiKeys, NewKeyIsTriedAtOnce) {
  CallsFixture fixture;
  fixture.Read("GET", "/a");
  fixture.Turn();
  fixture.Answer(0, 401);
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 1u);
  fixture.calls->Reconfigure();
  fixture.Turn();
  ASSERT_EQ(fixture.http.sent.size(), 2u);
  fixture.Answer(1, 200);
  EXPECT_EQ(fixture.troubles.back(), "/a over");
  EXPECT_EQ(fixture.ended, Strings{"/a done"});
}

TEST(ApiKeys, UnreadableFileIsTroubleAndNothingIsSent) {
  CallsFixture fixture;
  fixture.keys.failing[""] = Status::Error("F0000", "could not open the key's file");
  fixture.Change("POST", "/a");
  fixture.Turn();
  EXPECT_TRUE(fixture.http.sent.empty());
  EXPECT_EQ(fixture.troubles, Strings{"/a could not open the key's file"});
  EXPECT_EQ(fixture.project.changes_under_way, 0);
  EXPECT_EQ(fixture.calls->under_way(), 0u);
  fixture.keys.failing.clear();
  fixture.clock.Advance(milliseconds(20'000));
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 1u);
  EXPECT_EQ(fixture.steps_intended, 1);
}

TEST(ApiKeys, KeyOfAnotherProjectGoesOn) {
  CallsFixture fixture;
  fixture.other.row.api_key_file = "other";
  fixture.Read("GET", "/a");
  fixture.Turn();
  fixture.Answer(0, 401);
  fixture.Read("GET", "/b", Priority::kCreate, &fixture.other);
  fixture.Read("GET", "/c", Priority::kCreate, &fixture.other);
  fixture.Turn();
  EXPECT_EQ(fixture.Sent(), (Strings{"/a", "/b", "/c"}));
  EXPECT_EQ(fixture.http.sent[1].request.headers[0].second.Reveal(), "Bearer key of other");
}

TEST(ApiKeys, ApiThatCannotBeReachedIsProbedTheSameWay) {
  CallsFixture fixture;
  fixture.Read("GET", "/a");
  fixture.Read("GET", "/b");
  fixture.Turn();
  for (size_t n = 0; n < 2; ++n)
    fixture.calls->OnCompletion(
        FakeTransport::Fail(fixture.http.sent[n].id, HttpOutcome::kNotSent));
  fixture.clock.Advance(milliseconds(20'000));
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 3u);
}

TEST(ApiKeys, ForbiddenProjectDoesNotCloseTheKey) {
  CallsFixture fixture;
  fixture.Read("GET", "/a");
  fixture.Turn();
  fixture.Answer(0, 403);
  fixture.Read("GET", "/b", Priority::kCreate, &fixture.other);
  fixture.Turn();
  EXPECT_EQ(fixture.Sent(), (Strings{"/a", "/b"}));
  EXPECT_EQ(fixture.troubles.size(), 1u);
}

TEST(ApiKeys, ProjectThatGetsAnotherKeyWhileACallIsUnderWayLeavesNothingBehind) {
  CallsFixture fixture;
  fixture.project.row.api_key_file = "old";
  fixture.other.row.api_key_file = "old";
  fixture.Read("GET", "/a");
  fixture.Turn();
  fixture.project.row.api_key_file = "new";
  fixture.calls->OnKeyFile(fixture.project);
  fixture.Answer(0, 401);  // what fails is the key it was sent with
  fixture.Turn();
  ASSERT_EQ(fixture.http.sent.size(), 1u);
  fixture.clock.Advance(milliseconds(20'000));
  fixture.Turn();
  ASSERT_EQ(fixture.http.sent.size(), 2u);
  EXPECT_EQ(fixture.http.sent[1].request.headers[0].second.Reveal(), "Bearer key of new");
  fixture.Answer(1, 200);
  // The old key is still probed by whoever has it.
  fixture.Read("GET", "/b", Priority::kCreate, &fixture.other);
  fixture.Turn();
  EXPECT_EQ(fixture.Sent().back(), "/b");
}

}  // namespace
}  // namespace agent_branch
