// Answers that decide what is asked next: lists with pages, and operations that are waited for.
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/targets.hpp"
#include "tests/unit/core/calls_fixture.hpp"
#include "worker/core/neon/branch_list.hpp"
#include "worker/core/neon/operations.hpp"

namespace agent_branch::fuzz {
namespace {

constexpr size_t kMaxAnswers = 64;

std::vector<std::string> Split(std::string_view input) {
  std::vector<std::string> parts;
  while (!input.empty() && parts.size() < kMaxAnswers)
    parts.emplace_back(TakePart(&input, kNextAnswer));
  return parts;
}

// What is left to say once the input has been said: that there is no more.
std::string NothingMore(const HttpRequest &request) {
  bool list = request.url.find("/operations?") != std::string::npos;
  return list ? R"({"operations":[]})" : R"({"branches":[]})";
}

// Sends what may go, answers all of it, and lets time pass. False: nobody has asked for anything.
class Conversation {
 public:
  explicit Conversation(std::vector<std::string> answers) : answers_(std::move(answers)) {}

  bool Turn() {
    fixture.Turn();
    bool asked = answered_ < fixture.http.sent.size();
    while (answered_ < fixture.http.sent.size()) {
      auto [id, request] = fixture.http.sent[answered_++];
      bool over = said_ >= answers_.size();
      std::string answer = over ? NothingMore(request) : answers_[said_++];
      bool single = request.url.find("/operations/") != std::string::npos;
      HttpCompletion completion = FakeTransport::Answer(id, over && single ? 404 : 200, answer);
      fixture.calls->OnCompletion(completion);
    }
    std::optional<Instant> next = fixture.calls->NextDeadline();
    if (next) fixture.clock.AdvanceTo(*next);
    return asked || next.has_value();
  }
  bool said_all() const { return said_ >= answers_.size(); }

  CallsFixture fixture;

 private:
  std::vector<std::string> answers_;
  size_t said_ = 0;
  size_t answered_ = 0;
};

}  // namespace

void BranchPages(std::string_view input) {
  Conversation talk(Split(input));
  int ended = 0;
  BranchListing listing;
  listing.like.project = &talk.fixture.project;
  listing.then = [&](const Result<std::vector<NeonBranch>> &branches) {
    ++ended;
    if (!branches.ok()) {
      RequireTelling(branches.status(), "a list that was not read");
      return;
    }
    for (const NeonBranch &branch : branches.value())
      Require(!branch.id.empty(), "a branch of a list has no id");
  };
  ListBranches(*talk.fixture.calls, std::move(listing));
  for (size_t turn = 0; turn < 2 * kMaxAnswers && talk.Turn(); ++turn) {
  }
  Require(ended == 1, "a list does not end once");
}

void WatchedOperations(std::string_view input) {
  std::vector<std::string> answers = Split(input);
  if (answers.empty()) return;
  Result<NeonChange> change = ParseChange(answers.front());
  if (!change.ok()) return;
  answers.erase(answers.begin());
  Conversation talk(std::move(answers));
  Operations operations(talk.fixture.calls.get(), &talk.fixture.clock);
  int ended = 0;
  const auto told = [&](const std::vector<NeonOperation> &failed) {
    ++ended;
    for (const NeonOperation &operation : failed)
      Require(!operation.succeeded(), "what has not failed is said to have");
  };
  operations.Watch({&talk.fixture.project, change->operations, {}, {}, told});
  bool by_branch = !change->branch.id.empty();
  if (by_branch) {
    operations.Watch({&talk.fixture.project, {}, {}, change->branch.id, told});
  }
  for (size_t turn = 0; turn < 4 * kMaxAnswers; ++turn) {
    operations.Advance();
    bool asked = talk.Turn();
    std::optional<Instant> next = operations.NextDeadline();
    if (next) talk.fixture.clock.AdvanceTo(*next);
    if (!asked && !next) break;
  }
  Require(ended == (by_branch ? 2 : 1), "operations are waited for without end, or end twice");
  Require(talk.fixture.project.operations_under_way == 0, "the project stays busy");
}

}  // namespace agent_branch::fuzz
