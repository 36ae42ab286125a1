// The part of the Neon API that we speak: requests as values, answers as structs.
//
// Fields follow the OpenAPI document of the API (npm package @neondatabase/api-client,
// public-v2-for-users.gen.yaml). Enumerations are open: states and operation statuses stay text,
// and what is not known is not an error. Parsers never trust the shape of an answer.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/secret.hpp"
#include "worker/core/base/status.hpp"

namespace agent_branch {

struct NeonRequest {
  std::string method;
  std::string path;   // below the API's base URL, query included
  std::string body;   // JSON, or empty
  std::string route;  // the path with its ids left out: what a per-route limit counts

  // POST, PATCH and DELETE change something, so each is a step of the journal.
  bool is_change() const { return method != "GET"; }
};

struct NeonOperation {
  std::string id;
  std::string branch_id;
  std::string action;
  std::string status;
  std::string error;
  std::optional<std::chrono::milliseconds> took;  // as Neon says; nothing: it does not

  // finished, skipped, failed, error and cancelled are final; a status that is not known is not.
  bool ended() const;
  // finished and skipped. Sources disagree on cancelled: it counts as failure, and the branch
  // itself is read before anything is concluded from it.
  bool succeeded() const;
};

struct NeonBranch {
  std::string id;
  std::string name;
  std::string parent_id;  // empty for a root
  std::string current_state;
  std::string last_reset_at;
  std::string created_at;
  std::string expires_at;
  bool is_default = false;
  bool is_protected = false;
  std::optional<int64_t> logical_size;  // bytes; Neon computes it after a while
  int64_t compute_seconds = 0;          // CU-seconds used so far
  std::map<std::string, std::string> annotation;

  // What Neon does not let go, or not for good: never ours to delete, whatever its annotation says.
  bool untouchable() const { return is_default || is_protected || parent_id.empty(); }
};

struct NeonConnectionUri {
  Secret uri;
  std::string database;
  std::string role;
  std::string host;
  std::string pooler_host;
};

// What POST branches, POST restore, PATCH and DELETE answer, as far as each has it.
struct NeonChange {
  NeonBranch branch;
  std::string endpoint_id;
  std::vector<NeonOperation> operations;
  std::vector<NeonConnectionUri> uris;
};

struct NeonBranchPage {
  std::vector<NeonBranch> branches;
  std::string next;  // cursor; may be set on the last page too
};

struct NeonOperationPage {
  std::vector<NeonOperation> operations;
  std::string cursor;
};

struct BranchSpecification {
  std::string parent_id;
  std::string name;
  std::string expires_at;  // RFC 3339 UTC; empty: none
  double min_cu = 0.25;
  double max_cu = 1;
  bool bare_compute = false;  // leave the autoscaling limits to the plan
  bool no_compute = false;
  std::map<std::string, std::string> annotation;
};

NeonRequest CreateBranchRequest(std::string_view project, const BranchSpecification &branch);
NeonRequest GetBranchRequest(std::string_view project, std::string_view branch_id);
// Branches whose name or id contains `search` (all, if empty): equality is the caller's to check.
NeonRequest ListBranchesRequest(std::string_view project, std::string_view search,
                                std::string_view cursor, int limit);
NeonRequest ListEndpointsRequest(std::string_view project, std::string_view branch_id);
// expires_at: RFC 3339 UTC; empty clears it.
NeonRequest SetExpiryRequest(std::string_view project, std::string_view branch_id,
                             std::string_view expires_at);
NeonRequest RenameBranchRequest(std::string_view project, std::string_view branch_id,
                                std::string_view name);
// A compute for a branch that has none.
NeonRequest CreateEndpointRequest(std::string_view project, std::string_view branch_id);
NeonRequest StartEndpointRequest(std::string_view project, std::string_view endpoint_id);
NeonRequest SuspendEndpointRequest(std::string_view project, std::string_view endpoint_id);
NeonRequest DeleteBranchRequest(std::string_view project, std::string_view branch_id);
NeonRequest RestoreRequest(std::string_view project, std::string_view target_id,
                           std::string_view source_id, std::string_view preserve_under_name);
NeonRequest ConnectionUriRequest(std::string_view project, std::string_view branch_id,
                                 std::string_view database, std::string_view role, bool pooled);
NeonRequest ListOperationsRequest(std::string_view project, std::string_view cursor, int limit);
NeonRequest GetOperationRequest(std::string_view project, std::string_view operation_id);

Result<NeonChange> ParseChange(std::string_view body);
Result<NeonBranch> ParseBranch(std::string_view body);
Result<NeonBranchPage> ParseBranchPage(std::string_view body);
Result<std::string> ParseReadWriteEndpoint(std::string_view body);
// The answer to the creation of one.
struct NeonEndpoint {
  std::string id;
  std::string host;     // "host" or "host:port"
  bool starts = false;  // its compute is being started
};
Result<NeonEndpoint> ParseEndpoint(std::string_view body);
// Of a list of endpoints, the host of the one that writes; empty: there is none.
Result<std::string> ParseReadWriteHost(std::string_view body);
Result<NeonOperationPage> ParseOperationPage(std::string_view body);
Result<NeonOperation> ParseOperation(std::string_view body);
Result<Secret> ParseConnectionUri(std::string_view body);

// The pooled form of a URI: `host` in its authority replaced by `pooler_host`, both as the API
// named them. Empty when `host` does not stand there.
Secret WithHost(const Secret &uri, std::string_view host, std::string_view pooler_host);

// The URI with another role and password, which need no escapes, or with those of another URI.
// Empty when there are none in it.
Secret WithLogin(const Secret &uri, std::string_view role, const Secret &password);
Secret WithLoginOf(const Secret &uri, const Secret &other);

// The API's error body; texts are cut to 500 bytes and freed of control characters.
struct NeonError {
  std::string code;
  std::string message;
};
NeonError ParseNeonError(std::string_view body);

}  // namespace agent_branch
