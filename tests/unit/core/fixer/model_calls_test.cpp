#include "worker/core/fixer/model_calls.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/fakes.hpp"

namespace agent_branch {
namespace {

class ModelKeys : public FakeKeys {
 public:
  Result<Secret> FixerKey() override { return key; }
  Result<Secret> key = Secret("sk-secret");
};

class ModelCallsTest : public ::testing::Test {
 protected:
  ModelCallsTest() {
    settings.fixer_url = "https://model.test/v1/chat/completions";
    calls = std::make_unique<ModelCalls>(ModelCalls::Services{&http, &keys, &clock, &settings});
  }

  uint64_t Ask() {
    return calls->Enqueue(
        {}, [this](const ModelAnswer &answer, milliseconds) { answers.push_back(answer); });
  }

  void Answer(size_t sent, const std::string &body, int status = 200) {
    calls->OnCompletion(FakeTransport::Answer(http.sent.at(sent).id, status, body));
  }

  FakeTransport http;
  ModelKeys keys;
  FakeClock clock;
  Settings settings;
  std::unique_ptr<ModelCalls> calls;
  std::vector<ModelAnswer> answers;
};

TEST_F(ModelCallsTest, AFewAreUnderWayAndTheOthersWait) {
  for (int n = 0; n < 10; ++n)
    Ask();
  calls->Dispatch();
  EXPECT_EQ(http.sent.size(), 8U);
  Answer(0, "{}");
  calls->Dispatch();
  EXPECT_EQ(http.sent.size(), 9U);
  EXPECT_EQ(answers.size(), 1U);
}

TEST_F(ModelCallsTest, OneThatIsCancelledReportsNothing) {
  uint64_t sent = Ask();
  calls->Dispatch();
  uint64_t waiting = Ask();
  calls->Cancel(sent);
  calls->Cancel(waiting);
  EXPECT_EQ(http.cancelled, std::vector<uint64_t>{sent});
  calls->Dispatch();
  Answer(0, "{}");
  EXPECT_EQ(http.sent.size(), 1U);
  EXPECT_TRUE(answers.empty());
}

TEST_F(ModelCallsTest, WithoutAKeyNothingIsSent) {
  keys.key = Status::Error("F0000", "the key file cannot be used", "It is empty.");
  Ask();
  calls->Dispatch();
  EXPECT_TRUE(http.sent.empty());
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].outcome, ModelOutcome::kKey);
  EXPECT_EQ(answers[0].reason, "the key file cannot be used: It is empty.");
}

TEST_F(ModelCallsTest, TheKeyIsTakenOutOfWhatTheServerSays) {
  Ask();
  Ask();
  calls->Dispatch();
  Answer(0, R"({"error": {"message": "what is sk-secret?"}})", 400);
  Answer(1, R"({"choices": [{"finish_reason": "stop", "message":
                {"content": "{\"sql\": \"SELECT 'sk-secret'\"}"}}]})");
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].explanation, "what is (key)?");
  EXPECT_EQ(answers[1].outcome, ModelOutcome::kMalformed);
  EXPECT_EQ(answers[1].sql, "");
}

TEST_F(ModelCallsTest, TheirNumbersAreNotThoseOfTheApisCalls) {
  EXPECT_TRUE(ModelCalls::Owns(Ask()));
  EXPECT_FALSE(ModelCalls::Owns(1'000'000));
}

}  // namespace
}  // namespace agent_branch
