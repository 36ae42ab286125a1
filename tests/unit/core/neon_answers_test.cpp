#include <gtest/gtest.h>

#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {
namespace {

using namespace std::string_literals;

// As documented for POST branches, shortened.
constexpr char kCreated[] = R"({"branch":{"id":"br-curly-wave-af4i4oeu",
 "project_id":"dry-heart-13671059","parent_id":"br-morning-meadow-afu2s1jl",
 "parent_lsn":"0/1FA22C0","name":"br-curly-wave-af4i4oeu","current_state":"init",
 "pending_state":"ready","primary":false,"default":false,"protected":false,"cpu_used_sec":0,
 "created_at":"2025-08-04T07:13:09Z","expires_at":"2025-08-05T07:13:09Z"},
 "endpoints":[{"host":"ep-ro.neon.tech","id":"ep-ro","type":"read_only"},
  {"host":"ep-cool-darkness-123456.c-2.us-west-2.aws.neon.tech","id":"ep-cool-darkness-123456",
   "type":"read_write","current_state":"init","pending_state":"active"}],
 "operations":[
  {"id":"0ae8fd9e","branch_id":"br-1","action":"create_branch","status":"running"},
  {"id":"1bf9ae0f","branch_id":"br-1","action":"start_compute","status":"scheduling"}],
 "roles":[],"databases":[],
 "connection_uris":[{"connection_uri":
  "postgresql://alex:AbC123dEf@ep-cool.aws.neon.tech/dbname?sslmode=require",
  "connection_parameters":{"database":"dbname","password":"AbC123dEf","role":"alex",
   "host":"ep-cool.aws.neon.tech","pooler_host":"ep-cool-pooler.aws.neon.tech"}}]})";

TEST(NeonAnswers, DocumentedCreateAnswerIsRead) {
  Result<NeonChange> change = ParseChange(kCreated);
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->branch.id, "br-curly-wave-af4i4oeu");
  EXPECT_EQ(change->branch.parent_id, "br-morning-meadow-afu2s1jl");
  EXPECT_EQ(change->branch.current_state, "init");
  EXPECT_EQ(change->branch.expires_at, "2025-08-05T07:13:09Z");
  EXPECT_FALSE(change->branch.is_default);
  EXPECT_EQ(change->endpoint_id, "ep-cool-darkness-123456");
  ASSERT_EQ(change->operations.size(), 2u);
  EXPECT_EQ(change->operations[1].id, "1bf9ae0f");
  EXPECT_EQ(change->operations[1].action, "start_compute");
  EXPECT_FALSE(change->operations[1].ended());
  ASSERT_EQ(change->uris.size(), 1u);
  EXPECT_EQ(change->uris[0].role, "alex");
  EXPECT_EQ(change->uris[0].database, "dbname");
  EXPECT_EQ(change->uris[0].pooler_host, "ep-cool-pooler.aws.neon.tech");
}

TEST(NeonAnswers, WhatMayBeOmittedMayBeOmitted) {
  Result<NeonChange> change =
      ParseChange(R"({"branch":{"id":"br-1","name":"n"},"endpoints":[],"operations":[]})");
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->branch.parent_id, "");
  EXPECT_EQ(change->endpoint_id, "");
  EXPECT_TRUE(change->uris.empty());
  EXPECT_TRUE(ParseChange(R"({"operations":[]})").ok());
}

TEST(NeonAnswers, EmptyBodyOfAChangeIsAnEmptyChange) {
  Result<NeonChange> change = ParseChange("");
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->branch.id, "");
  EXPECT_TRUE(change->operations.empty());
}

TEST(NeonAnswers, ChangeWithoutItsOperationsIsNoAnswer) {
  for (const char *text : {"{}", R"({"branch":{"id":"br-1"}})", R"({"operations":{}})"})
    EXPECT_EQ(ParseChange(text).status().sqlstate(), "08P01") << text;
}

TEST(NeonAnswers, WrongTypesAreReadAsMissing) {
  Result<NeonChange> change =
      ParseChange(R"({"branch":[],"endpoints":{},"operations":[1,"x",null,{"id":7},{"id":"op"}],)"
                  R"("connection_uris":[{"connection_uri":5},{"connection_parameters":[]}]})");
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->branch.id, "");
  ASSERT_EQ(change->operations.size(), 1u);
  EXPECT_EQ(change->operations[0].id, "op");
  EXPECT_TRUE(change->uris.empty());
  for (const char *text : {"[]", "1", "null", "\"x\"", "<html>"})
    EXPECT_FALSE(ParseChange(text).ok()) << text;
}

TEST(NeonAnswers, StatusesOfOperationsAreOpen) {
  struct {
    const char *status;
    bool ended;
    bool succeeded;
  } const table[] = {{"scheduling", false, false}, {"running", false, false},
                     {"cancelling", false, false}, {"finished", true, true},
                     {"skipped", true, true},      {"failed", true, false},
                     {"error", true, false},       {"cancelled", true, false},
                     {"never seen", false, false}, {"", false, false}};
  for (const auto &row : table) {
    NeonOperation operation;
    operation.status = row.status;
    EXPECT_EQ(operation.ended(), row.ended) << row.status;
    EXPECT_EQ(operation.succeeded(), row.succeeded) << row.status;
  }
}

TEST(NeonAnswers, BranchHasItsAnnotation) {
  Result<NeonBranch> branch =
      ParseBranch(R"({"branch":{"id":"br-1","name":"n","default":true,"protected":true,)"
                  R"("last_reset_at":"2026-01-01T00:00:00Z"},)"
                  R"("annotation":{"object":{"type":"console/branch","id":"br-1"},)"
                  R"("value":{"run":"7","n":8},"created_at":"x"}})");
  ASSERT_TRUE(branch.ok());
  EXPECT_TRUE(branch->is_default);
  EXPECT_TRUE(branch->is_protected);
  EXPECT_EQ(branch->last_reset_at, "2026-01-01T00:00:00Z");
  EXPECT_EQ(branch->annotation, (std::map<std::string, std::string>{{"run", "7"}}));
  EXPECT_TRUE(ParseBranch(R"({"branch":{"id":"br-1","primary":true}})")->is_default);
  for (const char *text : {"", "{}", R"({"branch":{}})", R"({"branch":{"id":""}})", "[]"})
    EXPECT_FALSE(ParseBranch(text).ok()) << text;
}

TEST(NeonAnswers, PageHasAnnotationsByBranchAndACursor) {
  Result<NeonBranchPage> page =
      ParseBranchPage(R"({"branches":[{"id":"br-1","name":"a"},{"id":"br-2","name":"b"}],)"
                      R"("annotations":{"br-2":{"value":{"run":"7"}}},)"
                      R"("pagination":{"next":"abc","sort_order":"DESC"}})");
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->branches.size(), 2u);
  EXPECT_TRUE(page->branches[0].annotation.empty());
  EXPECT_EQ(page->branches[1].annotation.at("run"), "7");
  EXPECT_EQ(page->next, "abc");
  EXPECT_EQ(ParseBranchPage(R"({"branches":[]})")->next, "");
  // A list that is not whole must not look as if it were.
  for (const char *text : {"", "{}", R"({"branches":{}})", R"({"branches":[{}]})",
                           R"({"branches":[{"id":"br-1"},7]})"})
    EXPECT_FALSE(ParseBranchPage(text).ok()) << text;
}

TEST(NeonAnswers, OperationsEndpointsAndUrisAreRead) {
  Result<NeonOperationPage> page = ParseOperationPage(
      R"({"operations":[{"id":"a","status":"failed","error":"no\u0000\nspace"}],)"
      R"("pagination":{"cursor":"c"}})");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->operations[0].error, "no  space");
  EXPECT_EQ(page->cursor, "c");
  EXPECT_FALSE(ParseOperationPage("{}").ok());
  EXPECT_EQ(ParseOperation(R"({"operation":{"id":"a"}})")->id, "a");
  EXPECT_FALSE(ParseOperation(R"({"operation":{}})").ok());
  EXPECT_EQ(ParseReadWriteEndpoint(R"({"endpoints":[{"id":"x","type":"read_only"}]})").value(), "");
  EXPECT_EQ(ParseReadWriteEndpoint(R"({"endpoints":[{"id":"x","type":"read_write"}]})").value(),
            "x");
  EXPECT_FALSE(ParseReadWriteEndpoint("{}").ok());
  EXPECT_EQ(ParseConnectionUri(R"({"uri":"postgresql://x"})")->Reveal(), "postgresql://x");
  for (const char *text : {"", "{}", R"({"uri":7})", R"({"uri":""})"})
    EXPECT_FALSE(ParseConnectionUri(text).ok()) << text;
}

TEST(NeonAnswers, IdsThatNoTableCouldHoldAreNone) {
  for (const std::string &id :
       {"br\\u0000x"s, "br x"s, "br\\nx"s, "br\\u00e9"s, std::string(500, 'a')}) {
    const std::string branch =
        "\"branch\":{\"id\":\"" + id + "\",\"last_reset_at\":\"" + id + "\"}";
    const std::string operations = "\"operations\":[{\"id\":\"" + id + "\"}]";
    Result<NeonChange> change = ParseChange("{" + branch + "," + operations + "}");
    ASSERT_TRUE(change.ok()) << id;
    EXPECT_EQ(change->branch.id, "") << id;
    EXPECT_EQ(change->branch.last_reset_at, "") << id;
    EXPECT_TRUE(change->operations.empty()) << id;
    EXPECT_FALSE(ParseBranch("{" + branch + "}").ok()) << id;
  }
  EXPECT_FALSE(ParseConnectionUri(R"({"uri":"postgresql://x\u0000y"})").ok());
  EXPECT_TRUE(
      ParseChange(R"({"operations":[],"connection_uris":[{"connection_uri":"postgresql://x\ny"}]})")
          ->uris.empty());
}

TEST(NeonAnswers, PoolerHostTakesTheHostsPlaceAndNoOther) {
  Secret uri("postgresql://ep-1.neon:ep-1.neon@ep-1.neon/ep-1.neon?host=ep-1.neon");
  EXPECT_EQ(WithHost(uri, "ep-1.neon", "ep-1-pooler.neon").Reveal(),
            "postgresql://ep-1.neon:ep-1.neon@ep-1-pooler.neon/ep-1.neon?host=ep-1.neon");
  EXPECT_EQ(WithHost(Secret("postgresql://u@h:5432/d"), "h", "p").Reveal(),
            "postgresql://u@p:5432/d");
  EXPECT_EQ(WithHost(Secret("postgresql://u@h"), "h", "p").Reveal(), "postgresql://u@p");
  EXPECT_TRUE(WithHost(Secret("postgresql://u@host.org/d"), "host", "p").empty());
  EXPECT_TRUE(WithHost(Secret("postgresql://u@h/d"), "", "p").empty());
  EXPECT_TRUE(WithHost(Secret("postgresql://u@h/d"), "h", "").empty());
  EXPECT_TRUE(WithHost(Secret("h"), "h", "p").empty());
}

TEST(NeonAnswers, HostIsNotReplacedWhereItIsNone) {
  for (const char *uri : {"postgresql://u@other/d?application_name=@h", "postgresql://other/@h/d",
                          "postgresql://other?user=x/@h", "postgresql://u:p@other/d@h", "u@h/d"})
    EXPECT_TRUE(WithHost(Secret(uri), "h", "p").empty()) << uri;
  EXPECT_EQ(WithHost(Secret("postgresql://u@h/d@h?x=@h"), "h", "p").Reveal(),
            "postgresql://u@p/d@h?x=@h");
}

TEST(NeonAnswers, ErrorsAreCutAndCleaned) {
  NeonError error = ParseNeonError(R"({"request_id":"x","code":"","message":"branch not found"})");
  EXPECT_EQ(error.code, "");
  EXPECT_EQ(error.message, "branch not found");
  EXPECT_EQ(ParseNeonError("{\"message\":\"" + std::string(1'000, 'x') + "\"}").message.size(),
            500u);
  for (const char *text : {"", "<html>", "[]", R"({"message":{}})"})
    EXPECT_EQ(ParseNeonError(text).message, "") << text;
}

}  // namespace
}  // namespace agent_branch
