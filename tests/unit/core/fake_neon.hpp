// The part of Neon that the worker sees, in memory: one project "p1" with the branches "main" (the
// default one) and "dev" (its child, the parent of sessions).
//
// Changes answer at once and are carried out by operations that take operation_time; while one runs
// every change is answered with 423. After a restore the target hangs under its source, and the
// target's other children under the backup ("Reset from parent" in Neon's documentation), unless
// `flat`.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/core/fakes.hpp"
#include "worker/core/base/json.hpp"
#include "worker/core/neon/http_message.hpp"

namespace agent_branch {

struct FakeBranch {
  std::string id;
  std::string name;
  std::string parent_id;
  std::string last_reset_at;
  std::string expires_at;
  bool is_default = false;
  bool is_protected = false;
  std::map<std::string, std::string> annotation;
  std::vector<std::string> data;    // the migrations that are applied, in their order
  std::map<std::string, int> rows;  // written by others than the worker: table → how many
  std::map<std::string, std::string> roles;  // that can log in: name → password
};

struct FakeOperation {
  std::string id;
  std::string branch_id;
  std::string action;
  std::string end_status;
  Instant ends_at;
};

struct Fault {
  enum class Kind { kAnswer, kLoseRequest, kLoseAnswer, kNotSent, kRepeat };
  Kind kind = Kind::kAnswer;
  int status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after;

  static Fault Answer(int status, std::string body = {}) {
    return {Kind::kAnswer, status, std::move(body), std::nullopt};
  }
  // Something on the way sends it twice: the first one is done, the second is answered so.
  static Fault Repeat(int status, std::string body) {
    return {Kind::kRepeat, status, std::move(body), std::nullopt};
  }
  static Fault Lose(Kind kind) { return {kind, 0, {}, std::nullopt}; }
};

// A request, taken apart.
struct FakeCall {
  std::string method;
  std::string path;  // below the project
  std::map<std::string, std::string> query;
  JsonDocument body;
  std::string Of(const char *object, const char *name) const {
    return JsonString(JsonMember(&body, object), name);
  }
};

HttpResponse Answered(int status, std::string body);
HttpResponse Refused(int status, const std::string &message, const std::string &code = {});
std::string JsonText(const std::string &name, const std::string &value);  // "name":"value"
std::string BranchJson(const FakeBranch &branch);
std::string FakeUri(const std::string &branch_id, bool pooled);

class FakeNeon : public HttpTransport {
 public:
  explicit FakeNeon(FakeClock *clock);

  void Send(uint64_t id, HttpRequest request) override;
  void Cancel(uint64_t id) override;
  std::vector<HttpCompletion> TakeCompletions();
  bool idle() const { return queue_.empty(); }
  // The client is gone: what it sent arrives or not, and nobody hears the answers.
  void HangUp(bool requests_arrive);

  // The next call that begins so, such as "POST /branches", meets with the fault.
  void Expect(const std::string &call, Fault fault);
  FakeBranch *Named(const std::string &name);
  FakeBranch &Dev() { return *Named("dev"); }
  size_t Count(const std::string &call) const;
  // The calls but those that wait for operations.
  std::vector<std::string> CallsWithoutPolls() const;

  std::map<std::string, FakeBranch> branches;  // by id
  std::vector<std::string> calls;              // "METHOD /path below the project?query"
  std::vector<std::string> bodies;             // of each call
  milliseconds operation_time{300};
  std::string next_operation_status = "finished";  // of the next change's operation
  std::string next_operation_action = "some_action";
  int failing_starts = 0;        // the next so many starts of a compute fail
  bool restores_fail = false;    // the operation ends failed, and the target is what it was
  std::set<std::string> asleep;  // branches whose compute does not answer until it is started
  bool omit_uris = false;
  bool flat = false;
  size_t branch_limit = 100;

 private:
  HttpResponse Handle(const HttpRequest &request);
  HttpResponse Respond(const FakeCall &call);
  HttpResponse Change(const FakeCall &call);
  HttpResponse Create(const FakeCall &call);
  HttpResponse Restore(const FakeCall &call, FakeBranch &target);
  HttpResponse Patch(const FakeCall &call, FakeBranch &branch);
  HttpResponse Delete(FakeBranch &branch);
  HttpResponse List(const FakeCall &call);
  HttpResponse ListOperations();
  std::string Operation(const std::string &branch_id);
  std::string OperationJson(const FakeOperation &operation) const;
  bool Locked() const;
  bool HasChildren(const std::string &id) const;

  FakeClock *clock_;
  std::deque<std::pair<uint64_t, HttpRequest>> queue_;
  std::deque<std::pair<std::string, Fault>> faults_;
  std::vector<FakeOperation> operations_;
  int next_branch_ = 1;
};

}  // namespace agent_branch
