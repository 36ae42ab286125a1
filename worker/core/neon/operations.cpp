#include "worker/core/neon/operations.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

constexpr int kListLimit = 100;
// Neon's operations take from some 100 ms to several seconds.
constexpr milliseconds kFirstGuess{200};
constexpr milliseconds kShortest{20};
constexpr milliseconds kLongest{2'000};

}  // namespace

void Operations::Watch(Project *project, const std::vector<NeonOperation> &operations, Done done) {
  Waiting waiting;
  waiting.done = std::move(done);
  if (!operations.empty()) waiting.kind = operations.back().action;
  for (const NeonOperation &operation : operations) {
    if (!operation.ended()) {
      waiting.ids.insert(operation.id);
    } else if (!operation.succeeded()) {
      waiting.failed.push_back(operation);
    }
  }
  Add(project, std::move(waiting));
}

void Operations::WatchIds(Project *project, const std::vector<std::string> &ids, Done done) {
  Waiting waiting;
  waiting.ids.insert(ids.begin(), ids.end());
  waiting.done = std::move(done);
  Add(project, std::move(waiting));
}

void Operations::WatchBranch(Project *project, const std::string &branch_id, Done done) {
  Waiting waiting;
  waiting.branch_id = branch_id;
  waiting.done = std::move(done);
  Add(project, std::move(waiting));
  // What is under way already is not worth a guess: look now.
  pollers_[project].waiting.back().next = clock_->Now();
}

void Operations::Add(Project *project, Waiting waiting) {
  if (waiting.ids.empty() && waiting.branch_id.empty()) {
    waiting.done(waiting.failed);
    return;
  }
  Poller &poller = pollers_[project];
  waiting.since = clock_->Now();
  milliseconds guess = Expected(poller, waiting);
  waiting.next = waiting.since + (guess.count() > 0 ? guess : kFirstGuess);
  poller.waiting.push_back(std::move(waiting));
  ++project->operations_under_way;
}

milliseconds Operations::Expected(const Poller &poller, const Waiting &waiting) const {
  auto known = poller.expected.find(waiting.kind);
  return known == poller.expected.end() ? milliseconds(0) : known->second;
}

std::optional<Instant> Operations::Poller::Next() const {
  std::optional<Instant> next;
  if (asking) return next;
  for (const Waiting &one : waiting) {
    if (!next || one.next < *next) next = one.next;
  }
  return next;
}

void Operations::Advance() {
  Instant now = clock_->Now();
  for (auto &[project, poller] : pollers_) {
    std::optional<Instant> next = poller.Next();
    if (next && *next <= now) Ask(project, poller);
  }
}

std::optional<Instant> Operations::NextDeadline() const {
  std::optional<Instant> earliest;
  for (const auto &[project, poller] : pollers_) {
    std::optional<Instant> next = poller.Next();
    if (next && (!earliest || *next < *earliest)) earliest = next;
  }
  return earliest;
}

void Operations::Ask(Project *project, Poller &poller) {
  poller.asking = true;
  for (Waiting &waiting : poller.waiting)
    waiting.asked = true;
  ApiCall call;
  call.priority = Priority::kPoll;
  call.project = project;
  call.request = ListOperationsRequest(project->row.neon_id, {}, kListLimit);
  call.done = [this, project](const ApiAnswer &answer, const StepRow &) {
    OnList(project, answer);
  };
  calls_->Enqueue(std::move(call));
}

void Operations::OnList(Project *project, const ApiAnswer &answer) {
  Poller &poller = pollers_[project];
  poller.asking = false;
  Schedule(poller);
  if (answer.verdict.kind != VerdictKind::kDone) return;
  Result<NeonOperationPage> page = ParseOperationPage(answer.body);
  if (!page.ok()) return;
  std::set<std::string> seen;
  std::set<std::string> busy_branches;
  for (const NeonOperation &operation : page->operations) {
    seen.insert(operation.id);
    if (operation.ended()) {
      Ended(project, operation);
    } else {
      busy_branches.insert(operation.branch_id);
    }
  }
  std::set<std::string> missing;
  for (Waiting &waiting : poller.waiting) {
    if (!waiting.asked) continue;  // the list may be older than what it waits for
    if (!waiting.branch_id.empty() && busy_branches.count(waiting.branch_id) == 0) {
      waiting.branch_id.clear();
    }
    for (const std::string &id : waiting.ids) {
      if (seen.count(id) == 0 && poller.asked_alone.count(id) == 0) missing.insert(id);
    }
  }
  // Newer operations pushed them off the page, or the list lags behind the answer that named them.
  for (const std::string &id : missing)
    AskOne(project, id);
  Settle(project, poller);
}

void Operations::AskOne(Project *project, const std::string &id) {
  pollers_[project].asked_alone.insert(id);
  ApiCall call;
  call.priority = Priority::kPoll;
  call.project = project;
  call.request = GetOperationRequest(project->row.neon_id, id);
  call.done = [this, project, id](const ApiAnswer &answer, const StepRow &) {
    pollers_[project].asked_alone.erase(id);
    NeonOperation operation;
    if (answer.verdict.kind == VerdictKind::kDone) {
      Result<NeonOperation> parsed = ParseOperation(answer.body);
      if (!parsed.ok() || !parsed->ended()) return;
      operation = parsed.value();
    } else {
      // Neon forgets old operations; whether it had its effect is for the caller to read.
      operation.status = "error";
      operation.error = "the operation is not known at Neon";
    }
    operation.id = id;
    Ended(project, operation);
    Settle(project, pollers_[project]);
  };
  calls_->Enqueue(std::move(call));
}

void Operations::Ended(Project *project, const NeonOperation &operation) {
  for (Waiting &waiting : pollers_[project].waiting) {
    if (waiting.ids.erase(operation.id) > 0 && !operation.succeeded()) {
      waiting.failed.push_back(operation);
    }
  }
}

void Operations::Schedule(Poller &poller) {
  Instant now = clock_->Now();
  for (Waiting &waiting : poller.waiting) {
    if (waiting.next > now) continue;
    // A little more at a time while it is about due; when it takes longer than ever, a third more.
    milliseconds expected = Expected(poller, waiting);
    milliseconds elapsed = now - waiting.since;
    bool about_due = elapsed < expected * 3 / 2;
    milliseconds interval = about_due ? expected / 10 : elapsed / 3;
    waiting.next = now + std::clamp(interval, kShortest, kLongest);
  }
}

void Operations::Settle(Project *project, Poller &poller) {
  std::vector<Waiting> ended;
  for (auto waiting = poller.waiting.begin(); waiting != poller.waiting.end();) {
    if (!waiting->ids.empty() || !waiting->branch_id.empty()) {
      ++waiting;
      continue;
    }
    ended.push_back(std::move(*waiting));
    waiting = poller.waiting.erase(waiting);
  }
  if (ended.empty()) return;
  for (const Waiting &waiting : ended) {
    milliseconds took = std::clamp(clock_->Now() - waiting.since, kShortest, kLongest);
    auto [known, added] = poller.expected.try_emplace(waiting.kind, took);
    if (!added) known->second = (known->second * 3 + took) / 4;
  }
  for (Waiting &waiting : ended) {
    --project->operations_under_way;
    waiting.done(waiting.failed);
  }
}

}  // namespace agent_branch
