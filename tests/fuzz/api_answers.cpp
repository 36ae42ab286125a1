// Answers of the API, of whatever shape.
#include <cstdlib>

#include "tests/fuzz/require.hpp"
#include "tests/fuzz/targets.hpp"
#include "worker/core/neon/neon_api.hpp"
#include "worker/core/neon/response_class.hpp"

namespace agent_branch::fuzz {
namespace {

constexpr size_t kMaxError = 500;

// A path is written into a request as it is.
void RequirePath(const NeonRequest &request) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%/?&=";
  bool safe = request.path.find_first_not_of(kUnreserved) == std::string::npos;
  Require(safe, "a path has other than safe characters");
}

void RequireBranch(const NeonBranch &branch) {
  for (const std::string *word : {&branch.id, &branch.parent_id, &branch.current_state,
                                  &branch.last_reset_at, &branch.created_at, &branch.expires_at})
    RequireWord(*word, "a word of a branch");
  Require(IsUtf8(branch.name), "a branch's name is not UTF-8");
  for (const auto &[key, value] : branch.annotation)
    Require(IsUtf8(key) && IsUtf8(value), "an annotation is not UTF-8");
  RequirePath(GetBranchRequest("p", branch.id));
  RequirePath(RenameBranchRequest("p", branch.id, branch.name));
  RequirePath(ListBranchesRequest("p", branch.name, {}, 1));
}

void RequireOperation(const NeonOperation &operation) {
  Require(!operation.id.empty(), "an operation has no id");
  for (const std::string *word :
       {&operation.id, &operation.branch_id, &operation.action, &operation.status})
    RequireWord(*word, "a word of an operation");
  RequireClean(operation.error, kMaxError, false, "an operation's error");
  Require(operation.ended() || !operation.succeeded(), "an operation that runs has succeeded");
  RequirePath(GetOperationRequest("p", operation.id));
}

void RequireUri(const Secret &uri) {
  for (unsigned char c : uri.Reveal())
    Require(c > ' ' && c != 0x7F, "a connection URI has a blank or a control character");
}

void ReadChange(std::string_view body) {
  Result<NeonChange> change = ParseChange(body);
  if (!change.ok()) {
    RequireTelling(change.status(), "a change that was not read");
    return;
  }
  RequireBranch(change->branch);
  RequireWord(change->endpoint_id, "a compute's id");
  for (const NeonOperation &operation : change->operations)
    RequireOperation(operation);
  for (const NeonConnectionUri &uri : change->uris) {
    Require(!uri.uri.empty(), "a connection URI is empty");
    RequireUri(uri.uri);
  }
}

void ReadPages(std::string_view body) {
  Result<NeonBranchPage> branches = ParseBranchPage(body);
  if (branches.ok()) {
    for (const NeonBranch &branch : branches->branches) {
      Require(!branch.id.empty(), "a branch of a list has no id");
      RequireBranch(branch);
    }
    RequirePath(ListBranchesRequest("p", {}, branches->next, 1));
  }
  Result<NeonOperationPage> operations = ParseOperationPage(body);
  if (operations.ok()) {
    for (const NeonOperation &operation : operations->operations)
      RequireOperation(operation);
    RequirePath(ListOperationsRequest("p", operations->cursor, 1));
  }
}

void ReadSingle(std::string_view body) {
  Result<NeonBranch> branch = ParseBranch(body);
  if (branch.ok()) {
    Require(!branch->id.empty(), "a branch has no id");
    RequireBranch(branch.value());
  }
  Result<NeonOperation> operation = ParseOperation(body);
  if (operation.ok()) RequireOperation(operation.value());
  Result<std::string> endpoint = ParseReadWriteEndpoint(body);
  if (endpoint.ok()) RequireWord(endpoint.value(), "a compute's id");
  Result<Secret> uri = ParseConnectionUri(body);
  if (uri.ok()) {
    Require(!uri->empty(), "a connection URI is empty");
    RequireUri(uri.value());
  }
  for (const Status &status :
       {branch.status(), operation.status(), endpoint.status(), uri.status()}) {
    if (!status.ok()) RequireTelling(status, "an answer that was not read");
  }
}

void JudgeAnswer(int status, std::string_view body) {
  HttpResponse response;
  response.outcome = HttpOutcome::kAnswered;
  response.status = status;
  response.body = std::string(body);
  bool success = status >= 200 && status < 300;
  ResponseClass of_change = Judge(DeleteBranchRequest("p", "br"), response);
  ResponseClass of_reading = Judge(GetBranchRequest("p", "br"), response);
  Require(success == (of_reading.kind == ResponseKind::kDone), "a status is misjudged");
  if (of_change.kind == ResponseKind::kDone) {
    Require(success && ParseChange(body).ok(), "a change is done that cannot be read");
  } else {
    RequireTelling(of_change.why, "a classified of a change");
  }
  if (!success) RequireTelling(of_reading.why, "a classified");
}

}  // namespace

void ApiAnswers(std::string_view input) {
  std::string_view body = input;
  int status = std::atoi(std::string(TakePart(&body, "\n").substr(0, 8)).c_str());
  ReadChange(body);
  ReadPages(body);
  ReadSingle(body);
  JudgeAnswer(status, body);
}

}  // namespace agent_branch::fuzz
