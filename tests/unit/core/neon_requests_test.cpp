#include <gtest/gtest.h>

#include "worker/core/neon/neon_api.hpp"

namespace agent_branch {
namespace {

void ExpectRequest(const NeonRequest &request, const std::string &method, const std::string &path,
                   const std::string &body) {
  EXPECT_EQ(request.method, method);
  EXPECT_EQ(request.path, path);
  EXPECT_EQ(request.body, body);
  EXPECT_EQ(request.is_change(), method != "GET");
}

TEST(NeonRequests, CreateHasParentNameExpiryOneComputeAndTheAnnotation) {
  BranchSpecification branch;
  branch.parent_id = "br-dev-1";
  branch.name = "agent/42";
  branch.expires_at = "2026-06-09T18:02:16Z";
  branch.min_cu = 0.25;
  branch.max_cu = 2;
  branch.annotation = {{"agent-id", "42"}, {"run", "x\"y"}};
  NeonRequest request = CreateBranchRequest("dry-heart-13671059", branch);
  ExpectRequest(request, "POST", "/projects/dry-heart-13671059/branches",
                R"({"branch":{"parent_id":"br-dev-1","name":"agent/42",)"
                R"("expires_at":"2026-06-09T18:02:16Z"},)"
                R"("endpoints":[{"type":"read_write","autoscaling_limit_min_cu":0.25,)"
                R"("autoscaling_limit_max_cu":2.0}],)"
                R"("annotation_value":{"agent-id":"42","run":"x\"y"}})");
  EXPECT_EQ(request.route, "POST branches");
}

TEST(NeonRequests, BareCreateLeavesTheComputeToThePlan) {
  BranchSpecification branch;
  branch.parent_id = "br-dev-1";
  branch.name = "a";
  branch.bare_compute = true;
  ExpectRequest(CreateBranchRequest("p", branch), "POST", "/projects/p/branches",
                R"({"branch":{"parent_id":"br-dev-1","name":"a"},)"
                R"("endpoints":[{"type":"read_write"}],"annotation_value":{}})");
}

TEST(NeonRequests, ListsArePagedAndSearched) {
  ExpectRequest(ListBranchesRequest("p", "", "", 100), "GET",
                "/projects/p/branches?limit=100&sort_by=created_at&sort_order=asc", "");
  ExpectRequest(
      ListBranchesRequest("p", "agent/1", "eyJ=", 100), "GET",
      "/projects/p/"
      "branches?limit=100&sort_by=created_at&sort_order=asc&search=agent%2F1&cursor=eyJ%3D",
      "");
  ExpectRequest(ListOperationsRequest("p", "", 50), "GET", "/projects/p/operations?limit=50", "");
  ExpectRequest(ListOperationsRequest("p", "2026-06-01T00:00:00Z", 50), "GET",
                "/projects/p/operations?limit=50&cursor=2026-06-01T00%3A00%3A00Z", "");
}

TEST(NeonRequests, SingleThingsAreReadByTheirIds) {
  ExpectRequest(GetBranchRequest("p", "br-1"), "GET", "/projects/p/branches/br-1", "");
  ExpectRequest(ListEndpointsRequest("p", "br-1"), "GET", "/projects/p/branches/br-1/endpoints",
                "");
  ExpectRequest(GetOperationRequest("p", "a-b"), "GET", "/projects/p/operations/a-b", "");
}

TEST(NeonRequests, ExpiryIsSetAndClearedWithNull) {
  ExpectRequest(SetExpiryRequest("p", "br-1", "2026-06-09T18:02:16Z"), "PATCH",
                "/projects/p/branches/br-1", R"({"branch":{"expires_at":"2026-06-09T18:02:16Z"}})");
  ExpectRequest(SetExpiryRequest("p", "br-1", ""), "PATCH", "/projects/p/branches/br-1",
                R"({"branch":{"expires_at":null}})");
}

TEST(NeonRequests, RenameSendsTheNameOnly) {
  ExpectRequest(RenameBranchRequest("p", "br-1", "new"), "PATCH", "/projects/p/branches/br-1",
                R"({"branch":{"name":"new"}})");
}

TEST(NeonRequests, DeleteHasNoBodyAndNoHardDelete) {
  ExpectRequest(DeleteBranchRequest("p", "br-1"), "DELETE", "/projects/p/branches/br-1", "");
}

TEST(NeonRequests, RestoreNamesItsSourceAndTheBackup) {
  ExpectRequest(RestoreRequest("p", "br-dev", "br-agent", "dev-before-1"), "POST",
                "/projects/p/branches/br-dev/restore",
                R"({"source_branch_id":"br-agent","preserve_under_name":"dev-before-1"})");
}

TEST(NeonRequests, ConnectionUriNamesTheBranchWhateverElse) {
  ExpectRequest(ConnectionUriRequest("p", "br-1", "my db", "r&d", false), "GET",
                "/projects/p/connection_uri?branch_id=br-1&database_name=my%20db&role_name=r%26d",
                "");
  ExpectRequest(ConnectionUriRequest("p", "br-1", "d", "r", true), "GET",
                "/projects/p/connection_uri?branch_id=br-1&database_name=d&role_name=r&pooled=true",
                "");
}

TEST(NeonRequests, NothingInANameGetsOutOfItsPlace) {
  EXPECT_EQ(GetBranchRequest("p", "../../x?y#z").path, "/projects/p/branches/..%2F..%2Fx%3Fy%23z");
  EXPECT_EQ(GetBranchRequest("a/b\r\nHost: x", "b").path,
            "/projects/a%2Fb%0D%0AHost%3A%20x/branches/b");
  EXPECT_EQ(ListBranchesRequest("p", "\u00e9\xff%", "", 1).path,
            "/projects/p/branches?limit=1&sort_by=created_at&sort_order=asc&search=%C3%A9%FF%25");
  EXPECT_EQ(GetBranchRequest("p", "AZaz09-._~").path, "/projects/p/branches/AZaz09-._~");
}

TEST(NeonRequests, RouteCountsEveryProjectAndBranchTogether) {
  EXPECT_EQ(GetBranchRequest("p", "br-1").route, GetBranchRequest("q", "br-2").route);
  EXPECT_EQ(SetExpiryRequest("p", "b", "").route, RenameBranchRequest("p", "b", "n").route);
  EXPECT_NE(GetBranchRequest("p", "b").route, DeleteBranchRequest("p", "b").route);
  EXPECT_NE(ListOperationsRequest("p", "", 1).route, GetOperationRequest("p", "o").route);
}

}  // namespace
}  // namespace agent_branch
