// Bugs that the simulation has to find: each is planted between the core and its world, and the
// schedules are run until one of them shows it.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <set>

#include "tests/simulation/simulation.hpp"
#include "worker/core/base/json.hpp"

namespace agent_branch::simulation {
namespace {

constexpr uint64_t kEnoughSchedules = 2'000;

// Runs schedules until one shows what the bug does: a violation whose text holds `sign`.
template <class Planted>
void ExpectFound(const std::string &sign) {
  for (uint64_t seed = 1; seed <= kEnoughSchedules; ++seed) {
    Planted planted;
    RunResult result = RunSchedule(DrawSchedule(seed), false, nullptr, &planted);
    for (const std::string &violation : result.violations) {
      if (violation.find(sign) == std::string::npos) continue;
      std::cout << "found by seed " << seed << ": " << violation << std::endl;
      return;
    }
  }
  ADD_FAILURE() << "not found by " << kEnoughSchedules << " schedules: " << sign;
}

void Replace(std::string &text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
}

// A step found open after a crash is taken for one that never began.
class NoReconcile : public Sabotage {
 public:
  void OnLoad(StoreSnapshot &snapshot) override { snapshot.steps.clear(); }
};

TEST(Planted, ReconcileLeftOut) {
  ExpectFound<NoReconcile>("is applied twice");
}

// A migration is recorded as applied when its COMMIT is about to be sent.
class EarlyRecord : public Sabotage {
 public:
  void OnCommit(Batch &batch) override {
    for (Mutation &mutation : batch.mutations) {
      auto *migration = std::get_if<MigrationRow>(&mutation);
      bool commits = migration != nullptr && !migration->transaction_id.empty();
      if (commits) migration->status = MigrationStatus::kApplied;
    }
  }
};

TEST(Planted, RecordBeforeItsEffect) {
  ExpectFound<EarlyRecord>("is said to be applied and is not");
}

// What there was before a statement that runs alone is forgotten.
class NothingSeenBefore : public Sabotage {
 public:
  void OnLoad(StoreSnapshot &snapshot) override {
    for (MigrationRow &migration : snapshot.migrations)
      migration.seen_before.clear();
  }
};

TEST(Planted, AloneRunAgainBlindly) {
  ExpectFound<NothingSeenBefore>("is said to be failed and is applied");
}

// A crash begins a migration from its first statement.
class ProgressForgotten : public Sabotage {
 public:
  void OnLoad(StoreSnapshot &snapshot) override {
    for (MigrationRow &migration : snapshot.migrations)
      migration.statements_done = 0;
  }
};

TEST(Planted, SegmentsRunAgain) {
  ExpectFound<ProgressForgotten>("is applied twice");
}

// A POST whose answer is lost is sent again, under a name that is free. Under the same name Neon
// itself would refuse the second one.
class BlindRetry : public Sabotage {
 public:
  explicit BlindRetry(std::string route, std::string name)
      : route_(std::move(route)), name_("\"" + std::move(name) + "\":\"") {}

  void OnSend(uint64_t id, const HttpRequest &request) override {
    bool concerns =
        request.method == "POST" && request.url.size() >= route_.size() &&
        request.url.compare(request.url.size() - route_.size(), route_.size(), route_) == 0;
    if (concerns) {
      sent_[id] = request;
    } else {
      sent_.erase(id);  // ids begin anew after a crash
    }
  }
  std::optional<HttpRequest> OnAnswer(HttpCompletion &completion) override {
    auto found = sent_.find(completion.id);
    bool lost = completion.response.outcome == HttpOutcome::kUnknown;
    if (found == sent_.end() || !lost) return std::nullopt;
    HttpRequest again = found->second;
    sent_.erase(found);
    Replace(again.body, name_, name_ + "again-");
    return again;
  }

 private:
  std::string route_;
  std::string name_;
  std::map<uint64_t, HttpRequest> sent_;
};

class CreateRetry : public BlindRetry {
 public:
  CreateRetry() : BlindRetry("/branches", "name") {}
};

TEST(Planted, AmbiguousPostSentAgain) {
  ExpectFound<CreateRetry>("a session has two branches");
}

class RestoreRetry : public BlindRetry {
 public:
  RestoreRetry() : BlindRetry("/restore", "preserve_under_name") {}
};

TEST(Planted, MergeAppliedTwice) {
  ExpectFound<RestoreRetry>("is done 2 times");
}

// A replay's transaction is not written down before its COMMIT.
class ReplayNotNoted : public Sabotage {
 public:
  void OnCommit(Batch &batch) override {
    for (Mutation &mutation : batch.mutations) {
      auto *merge = std::get_if<MergeRow>(&mutation);
      if (merge != nullptr) merge->transaction_id.clear();
    }
  }
};

TEST(Planted, ReplayRunAgain) {
  ExpectFound<ReplayNotNoted>("is applied twice to");
}

// Every branch that has the name of one of ours looks as if it were ours.
class NoOwnershipCheck : public Sabotage {
 public:
  void OnSend(uint64_t id, const HttpRequest &request) override {
    reads_[id] = request.method == "GET";
    constexpr std::string_view kMember = "\"annotation_value\":";
    size_t at = request.body.find(kMember);
    if (at == std::string::npos) return;
    std::string annotation = request.body.substr(at + kMember.size());
    annotation.pop_back();  // the brace of the request itself
    annotations_[NameOf(request.body)] = annotation;
  }
  std::optional<HttpRequest> OnAnswer(HttpCompletion &completion) override {
    std::string &answer = completion.response.body;
    auto ours = annotations_.find(reads_[completion.id] ? NameOf(answer) : "");
    if (ours == annotations_.end()) return std::nullopt;
    size_t end = answer.find("},\"annotation\"");
    answer = answer.substr(0, end == std::string::npos ? answer.size() - 1 : end + 1);
    answer += ",\"annotation\":{\"value\":" + ours->second + "}}";
    return std::nullopt;
  }

 private:
  // Of the branch that a request makes or an answer tells of.
  static std::string NameOf(const std::string &text) {
    Result<JsonDocument> json = ParseJson(text);
    return json.ok() ? JsonString(JsonMember(&json.value(), "branch"), "name") : std::string();
  }

  std::map<uint64_t, bool> reads_;
  std::map<std::string, std::string> annotations_;
};

TEST(Planted, DeleteWithoutOwnershipCheck) {
  ExpectFound<NoOwnershipCheck>("DELETE of a branch that is not ours");
}

// Sessions are forgotten while they are at rest, and others take their places.
class NoPlaces : public Sabotage {
 public:
  void OnLoad(StoreSnapshot &snapshot) override {
    auto rests = [](const SessionRow &row) { return row.state == SessionState::kReady; };
    auto &sessions = snapshot.sessions;
    sessions.erase(std::remove_if(sessions.begin(), sessions.end(), rests), sessions.end());
  }
};

TEST(Planted, MoreSessionsThanPlaces) {
  ExpectFound<NoPlaces>("have a place, and the limit is");
}

TEST(Planted, MoreComputesThanAllowed) {
  ExpectFound<NoPlaces>("computes are active, and the limit is");
}

// What was answered to a request makes another one of it.
class OtherRequest : public Sabotage {
 public:
  void OnSend(uint64_t id, const HttpRequest &request) override { sent_[id] = request; }
  std::optional<HttpRequest> OnAnswer(HttpCompletion &completion) override {
    auto found = sent_.find(completion.id);
    bool done = completion.response.status >= 200 && completion.response.status < 300;
    if (found == sent_.end() || !done) return std::nullopt;
    HttpRequest request = std::move(found->second);
    sent_.erase(found);
    if (!Change(request)) return std::nullopt;
    return request;
  }

 private:
  // False: it stays as it is.
  virtual bool Change(HttpRequest &request) = 0;
  std::map<uint64_t, HttpRequest> sent_;
};

class ClearedExpiry : public OtherRequest {
  bool Change(HttpRequest &request) override {
    constexpr std::string_view kMember = "\"expires_at\":\"";
    size_t at = request.method == "PATCH" ? request.body.find(kMember) : std::string::npos;
    if (at == std::string::npos) return false;
    request.body = "{\"branch\":{\"expires_at\":null}}";
    return true;
  }
};

TEST(Planted, ExpiryNotSetAgain) {
  ExpectFound<ClearedExpiry>("ends at");
}

// Of a session's branch: that of the parent is nobody's whose life could be too short.
class DeleteTooSoon : public OtherRequest {
 public:
  std::optional<HttpRequest> OnAnswer(HttpCompletion &completion) override {
    Result<JsonDocument> json = ParseJson(completion.response.body);
    const bool made = json.ok() && completion.response.status == 201;
    if (made) made_.insert(JsonString(JsonMember(&json.value(), "branch"), "id"));
    return OtherRequest::OnAnswer(completion);
  }

 private:
  bool Change(HttpRequest &request) override {
    constexpr std::string_view kQuery = "/connection_uri?branch_id=";
    size_t at = request.url.find(kQuery);
    if (at == std::string::npos) return false;
    std::string id = request.url.substr(at + kQuery.size());
    id.resize(std::min(id.find('&'), id.size()));
    if (made_.count(id) == 0) return false;
    request.url.resize(at);
    request.url += "/branches/" + id;
    request.method = "DELETE";
    return true;
  }

  std::set<std::string> made_;
};

TEST(Planted, LiveBranchDeleted) {
  ExpectFound<DeleteTooSoon>("whose session is not given up");
}

// Every merge is refused, as far as anybody is told.
class EveryMergeRefused : public Sabotage {
 public:
  void OnCommit(Batch &batch) override {
    for (Mutation &mutation : batch.mutations) {
      auto *merge = std::get_if<MergeRow>(&mutation);
      if (merge != nullptr && merge->status == "merged") merge->status = "conflict";
    }
  }
};

TEST(Planted, MergesRefusedForNothing) {
  ExpectFound<EveryMergeRefused>("is conflict without a reason");
}

class EveryMigrationFails : public Sabotage {
 public:
  void OnCommit(Batch &batch) override {
    for (Mutation &mutation : batch.mutations) {
      auto *migration = std::get_if<MigrationRow>(&mutation);
      if (migration != nullptr && migration->status == MigrationStatus::kApplied)
        migration->status = MigrationStatus::kFailed;
    }
  }
};

TEST(Planted, MigrationsFailForNothing) {
  ExpectFound<EveryMigrationFails>("without a reason");
}

// A merge that was asked for is forgotten.
class MergesForgotten : public Sabotage {
 public:
  void OnCommit(Batch &batch) override {
    auto &all = batch.mutations;
    auto is_merge = [](const Mutation &one) { return std::holds_alternative<MergeRow>(one); };
    all.erase(std::remove_if(all.begin(), all.end(), is_merge), all.end());
  }
};

TEST(Planted, MergesAskedForInVain) {
  ExpectFound<MergesForgotten>("came to nothing");
}

// A calendar that is an hour fast ends sessions before their time.
class EndsEarly : public Sabotage {
 public:
  void OnLoad(StoreSnapshot &snapshot) override {
    for (SessionRow &session : snapshot.sessions)
      session.created_at -= 86'400;
  }
};

TEST(Planted, SessionsEndedBeforeTheirTime) {
  ExpectFound<EndsEarly>("is ended before its time");
}

class LostWake : public Sabotage {
 public:
  bool LosesWake(Chance &chance) override { return chance.Happens(0.05); }
};

TEST(Planted, LostWakeUp) {
  ExpectFound<LostWake>("is not taken");
}

}  // namespace
}  // namespace agent_branch::simulation
