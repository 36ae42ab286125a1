// The part of Neon that makes projects, in memory: an account with projects, each with branches,
// and the journal of the worker's own. Things go wrong at a request, or at a write, of a given
// number.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/core/fake_branches.hpp"
#include "tests/unit/core/fake_scripts.hpp"
#include "tests/unit/core/fake_store.hpp"
#include "worker/core/engine.hpp"
#include "worker/core/upkeep/provision_store.hpp"

namespace agent_branch {

struct AccountProject {
  std::string id;
  std::string name;
  Instant listed_at{0};  // one that is being made may be missing from lists
  std::vector<FakeBranch> branches;
  bool forgets_branches = false;  // it was deleted meanwhile, and its list of branches answers 404
};

class FakeAccount : public HttpTransport {
 public:
  explicit FakeAccount(FakeClock *clock) : clock_(clock) {}

  void Send(uint64_t id, HttpRequest request) override {
    queue_.emplace_back(id, std::move(request));
  }
  void Cancel(uint64_t id) override;
  std::vector<HttpCompletion> TakeCompletions();
  // The client is gone: what it sent arrives or not.
  void HangUp(bool requests_arrive);

  AccountProject &Add(const std::string &name, const std::string &mark);
  size_t Count(const std::string &call) const;

  std::vector<AccountProject> projects;
  std::vector<std::string> calls;  // "METHOD path"
  std::map<size_t, Fault> faults;  // by the number of the request, from 1
  bool sets_computes = false;      // the plan does, and refuses sizes
  bool operations_fail = false;
  bool endless = false;  // the list of projects
  int page_size = 100;
  milliseconds shows_after{0};
  // Looks at each request before it is carried out.
  std::function<void(const HttpRequest &request)> look;

 private:
  HttpResponse Handle(const HttpRequest &request);
  HttpResponse Respond(const HttpRequest &request);
  HttpResponse CreateProject(const JsonDocument &body);
  HttpResponse CreateBranch(AccountProject &project, const JsonDocument &body);
  HttpResponse ListProjects(const std::string &query) const;
  std::string Operations(const std::string &branch_id);

  FakeClock *clock_;
  std::deque<std::pair<uint64_t, HttpRequest>> queue_;
  int next_ = 1;
};

// What was asked for, and what was written down of it.
class FakeProvisions : public ProvisionStore {
 public:
  Result<std::vector<ProvisionRow>> Provisions() override;
  Status IntendProvision(const ProvisionRow &row) override;
  Status RecordProvision(const ProvisionRow &row, const std::string &outcome,
                         const std::string &request_id) override;
  Status ShowProvision(int64_t id, const std::string &error) override;
  Status RegisterProvision(const ProvisionRow &row) override;

  std::map<int64_t, ProvisionRow> rows;
  std::vector<std::string> registered;  // ids at Neon
  std::vector<std::string> outcomes;
  std::vector<std::string> shown;
  int failing_write = 0;  // the number of the one that fails, from 1
  int writes = 0;

 private:
  bool Fails() { return ++writes == failing_write; }
};

class ProvisionDriver {
 public:
  ProvisionDriver();
  // Until the project is registered; false: it is not after a day.
  bool RunUntilRegistered();
  void Turn();
  void Restart(bool requests_arrive);
  // At the first turn's end after so many requests.
  void CrashAt(size_t request, bool requests_arrive);

  FakeClock clock;
  FakeAccount account{&clock};
  FakeProvisions table;

 private:
  FakeRandom random_;
  FakeKeys keys_;
  FakeScripts scripts_;
  FakeStore store_;
  FakeNeon neon_{&clock};
  FakeBranches branches_{&neon_};
  Settings settings_;
  std::unique_ptr<Engine> engine_;
  size_t crash_at_ = 0;
  bool requests_arrive_ = true;
};

}  // namespace agent_branch
