#include "worker/core/neon/response_class.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using Kind = ResponseKind;

HttpResponse Answered(int status, const std::string &body) {
  HttpResponse response;
  response.outcome = HttpOutcome::kAnswered;
  response.status = status;
  response.body = body;
  return response;
}

NeonRequest Request() {
  return {"POST", "/projects/p/branches", "{}", "POST branches"};
}

TEST(ResponseClass, FollowsFromStatusCodeAndMessage) {
  struct {
    int status;
    const char *body;
    Kind kind;
    const char *sqlstate;
  } const table[] = {
      {200, "", Kind::kDone, ""},
      {201, R"({"operations":[]})", Kind::kDone, ""},
      {201, "<html>", Kind::kUnknown, "22P02"},
      {204, "", Kind::kDone, ""},
      {400, R"({"code":"","message":"invalid request"})", Kind::kRefused, "55000"},
      {401, R"({"code":"","message":"supplied credentials do not pass"})", Kind::kKey, "28000"},
      {403, "", Kind::kForbidden, "42501"},
      {404, R"({"message":"branch not found"})", Kind::kNotFound, "42704"},
      {405, "", Kind::kRefused, "55000"},
      {408, "", Kind::kUnknown, "08007"},
      {409, R"({"code":"","message":"branch already exists"})", Kind::kExists, "42710"},
      {409, R"({"code":"","message":"the project is being moved"})", Kind::kBusy, "55006"},
      {409, "<html>", Kind::kBusy, "55006"},
      {412, R"({"message":"suspend interval is too short for your plan"})", Kind::kPlan, "0A000"},
      {422, R"({"code":"BRANCHES_LIMIT_EXCEEDED","message":"x"})", Kind::kLimit, "53000"},
      {422, R"({"code":"ROOT_BRANCHES_LIMIT_EXCEEDED"})", Kind::kLimit, "53000"},
      {422, R"({"code":"","message":"branch not ready yet"})", Kind::kBusy, "55006"},
      {422, R"({"code":"","message":"cannot reset protected branch"})", Kind::kRefused, "55000"},
      {422, "not JSON", Kind::kRefused, "55000"},
      {423, R"({"message":"project already has running conflicting operations"})", Kind::kBusy,
       "55006"},
      {429, "", Kind::kThrottled, "53400"},
      {500, "", Kind::kUnknown, "08007"},
      {502, "", Kind::kUnknown, "08007"},
      {503, "", Kind::kUnavailable, "08004"},
      {504, "", Kind::kUnknown, "08007"},
      {524, "<html>A timeout occurred</html>", Kind::kUnknown, "08007"},
      {301, "", Kind::kUnknown, "08007"},
      {0, "", Kind::kUnknown, "08007"},
  };
  for (const auto &row : table) {
    ResponseClass classified = Judge(Request(), Answered(row.status, row.body));
    EXPECT_EQ(classified.kind, row.kind) << row.status << " " << row.body;
    EXPECT_EQ(classified.why.sqlstate(), row.sqlstate) << row.status << " " << row.body;
  }
}

TEST(ResponseClass, ExchangesThatFailedAreUnreachableOrUnknown) {
  HttpResponse response;
  response.error = Status::Error("08001", "could not connect");
  response.outcome = HttpOutcome::kNotSent;
  EXPECT_EQ(Judge(Request(), response).kind, Kind::kUnreachable);
  EXPECT_EQ(Judge(Request(), response).why.message(), "could not connect");
  response.outcome = HttpOutcome::kUnknown;
  EXPECT_EQ(Judge(Request(), response).kind, Kind::kUnknown);
  // Even a transport that does not say why leaves no failure that looks like success.
  response.error = Status();
  EXPECT_FALSE(Judge(Request(), response).why.ok());
}

TEST(ResponseClass, RetryAfterIsPassedOn) {
  HttpResponse response = Answered(429, "");
  response.retry_after = std::chrono::seconds(7);
  EXPECT_EQ(Judge(Request(), response).retry_after, std::chrono::seconds(7));
  EXPECT_FALSE(Judge(Request(), Answered(429, "")).retry_after);
}

TEST(ResponseClass, WordsSayWhatWasAskedAndWhatWasAnswered) {
  ResponseClass classified =
      Judge(Request(), Answered(422, R"({"code":"X","message":"no more\nroot"})"));
  EXPECT_EQ(classified.why.message(), "the Neon API refused the request: no more root");
  EXPECT_EQ(classified.why.detail(),
            "POST /projects/p/branches was answered with HTTP 422, code X: no more root.");
  EXPECT_NE(Judge(Request(), Answered(401, "")).why.hint(), "");
  HttpResponse response = Answered(422, R"({"message":"no"})");
  response.request_id = "r-1";
  EXPECT_EQ(Judge(Request(), response).why.detail(),
            "POST /projects/p/branches was answered with HTTP 422: no. Neon's id of the request is "
            "r-1.");
  EXPECT_TRUE(Judge(Request(), Answered(200, "{}")).why.detail().find("r-1") == std::string::npos);
}

}  // namespace
}  // namespace agent_branch
