#include "worker/core/neon/operations.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

constexpr int kListLimit = 100;
constexpr milliseconds kShortest{1};
constexpr milliseconds kLongest{30'000};
// Neon's own operations end within a minute, a large restore within some.
constexpr milliseconds kGivenUpAfter{900'000};

NeonOperation GivenUp(const std::string &id, const std::string &action) {
  NeonOperation operation;
  operation.id = id;
  operation.action = action.empty() ? "operation" : action;
  operation.status = "not ended";
  operation.error =
      "it did not end within " + std::to_string(kGivenUpAfter.count() / 60'000) + " minutes";
  return operation;
}

}  // namespace

uint64_t Operations::Watch(Request request) {
  Waiting waiting;
  waiting.ticket = next_ticket_++;
  waiting.done = std::move(request.done);
  waiting.branch_id = std::move(request.branch_id);
  waiting.ids.insert(request.ids.begin(), request.ids.end());
  if (!request.operations.empty()) waiting.action = request.operations.back().action;
  Poller &poller = pollers_[request.project];
  for (const NeonOperation &operation : request.operations) {
    if (!operation.ended()) {
      waiting.ids.insert(operation.id);
      continue;
    }
    Learn(poller, operation);
    if (!operation.succeeded()) waiting.failed.push_back(operation);
  }
  if (waiting.ids.empty() && waiting.branch_id.empty()) {
    waiting.done(waiting.failed);
    return 0;
  }
  const uint64_t ticket = waiting.ticket;
  Add(request.project, std::move(waiting));
  return ticket;
}

void Operations::Add(Project *project, Waiting waiting) {
  Poller &poller = pollers_[project];
  waiting.since = clock_->Now();
  // What is under way already, and was begun one does not know when, is looked at now.
  const bool begun_before = !waiting.branch_id.empty();
  const milliseconds first = Expected(poller, waiting.action).value_or(kShortest);
  waiting.next = begun_before ? waiting.since : waiting.since + std::max(first, kShortest);
  projects_[waiting.ticket] = project;
  by_id_[project->row.id] = project;
  poller.waiting.push_back(std::move(waiting));
  ++project->operations_under_way;
  SetDue(project, poller);
}

void Operations::Forget(uint64_t ticket) {
  auto found = projects_.find(ticket);
  if (found == projects_.end()) return;
  Project *project = found->second;
  projects_.erase(found);
  Poller &poller = pollers_[project];
  auto waiting = std::find_if(poller.waiting.begin(), poller.waiting.end(),
                              [ticket](const Waiting &one) { return one.ticket == ticket; });
  if (waiting == poller.waiting.end()) return;
  poller.waiting.erase(waiting);
  --project->operations_under_way;
  project->changes_possible.NotifyAll();
  SetDue(project, poller);
}

std::string Operations::Describe(uint64_t ticket) const {
  auto found = projects_.find(ticket);
  if (found == projects_.end()) return "operations at Neon";
  for (const Waiting &waiting : pollers_.at(found->second).waiting) {
    if (waiting.ticket != ticket) continue;
    if (!waiting.action.empty()) return "operation " + waiting.action + " at Neon";
    if (!waiting.branch_id.empty()) return "operations of branch " + waiting.branch_id + " at Neon";
  }
  return "operations at Neon";
}

std::optional<milliseconds> Operations::Expected(const Poller &poller,
                                                 const std::string &action) const {
  auto known = poller.took.find(action);
  if (known != poller.took.end()) return known->second;
  auto elsewhere = took_anywhere_.find(action);
  if (elsewhere != took_anywhere_.end()) return elsewhere->second;
  return std::nullopt;
}

void Operations::Learn(Poller &poller, const NeonOperation &operation) {
  if (!operation.took || !operation.succeeded()) return;
  for (std::map<std::string, milliseconds> *known : {&poller.took, &took_anywhere_}) {
    auto [found, added] = known->try_emplace(operation.action, *operation.took);
    if (!added) found->second = (found->second * 3 + *operation.took) / 4;
  }
}

void Operations::SetDue(Project *project, Poller &poller) {
  if (poller.due) due_.erase({*poller.due, project->row.id});
  poller.due.reset();
  if (poller.asking) return;
  for (const Waiting &one : poller.waiting) {
    if (!poller.due || one.next < *poller.due) poller.due = one.next;
  }
  if (poller.due) due_.emplace(*poller.due, project->row.id);
}

void Operations::Advance() {
  const Instant now = clock_->Now();
  while (!due_.empty() && due_.begin()->first <= now) {
    Project *project = by_id_.at(due_.begin()->second);
    Ask(project, pollers_[project]);
  }
}

std::optional<Instant> Operations::NextDeadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

void Operations::Ask(Project *project, Poller &poller) {
  poller.asking = true;
  SetDue(project, poller);
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
  Result<NeonOperationPage> page = Status::Error("08006", "there is no list of operations");
  if (answer.classified.kind == ResponseKind::kDone) page = ParseOperationPage(answer.body);
  if (page.ok()) {
    std::set<std::string> busy_branches;
    for (const NeonOperation &operation : page->operations) {
      if (operation.ended()) {
        Ended(project, operation);
      } else {
        busy_branches.insert(operation.branch_id);
      }
    }
    for (Waiting &waiting : poller.waiting) {
      // A list that was asked for before may be older than what is waited for.
      if (waiting.asked && busy_branches.count(waiting.branch_id) == 0) waiting.branch_id.clear();
    }
    AskForMissing(project, page.value());
  }
  ScheduleNext(poller);
  GiveUpLate(poller);
  Settle(project, poller);
}

void Operations::AskForMissing(Project *project, const NeonOperationPage &page) {
  Poller &poller = pollers_[project];
  std::set<std::string> seen;
  for (const NeonOperation &operation : page.operations)
    seen.insert(operation.id);
  std::set<std::string> missing;
  for (const Waiting &waiting : poller.waiting) {
    if (!waiting.asked) continue;
    for (const std::string &id : waiting.ids) {
      if (seen.count(id) == 0 && poller.asked_alone.count(id) == 0) missing.insert(id);
    }
  }
  // Newer operations pushed them off the page, or the list lags behind the answer that named them.
  for (const std::string &id : missing)
    AskOne(project, id);
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
    if (answer.classified.kind == ResponseKind::kDone) {
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
  Poller &poller = pollers_[project];
  for (Waiting &waiting : poller.waiting) {
    if (waiting.ids.erase(operation.id) == 0) continue;
    Learn(poller, operation);
    if (!operation.succeeded()) waiting.failed.push_back(operation);
  }
}

void Operations::ScheduleNext(Poller &poller) {
  const Instant now = clock_->Now();
  for (Waiting &waiting : poller.waiting) {
    const milliseconds elapsed = now - waiting.since;
    // What lasts needs no look of its own soon after one that was made for another.
    const bool shares = waiting.asked && elapsed >= kLongest;
    if (waiting.next > now && !shares) continue;
    // An eighth of what it should take while it is about due; later, or when nothing is known, half
    // of the time that has passed.
    const std::optional<milliseconds> expected = Expected(poller, waiting.action);
    const bool about_due = expected && elapsed < *expected * 5 / 4;
    const milliseconds interval = about_due ? *expected / 8 : elapsed / 2;
    waiting.next = now + std::clamp(interval, kShortest, kLongest);
  }
}

void Operations::GiveUpLate(Poller &poller) {
  const Instant now = clock_->Now();
  for (Waiting &waiting : poller.waiting) {
    // What ended just now is not late, however long nobody could look.
    const bool ended = waiting.ids.empty() && waiting.branch_id.empty();
    if (ended || now < waiting.since + kGivenUpAfter) continue;
    if (waiting.ids.empty()) waiting.failed.push_back(GivenUp({}, waiting.action));
    for (const std::string &id : waiting.ids)
      waiting.failed.push_back(GivenUp(id, waiting.action));
    waiting.ids.clear();
    waiting.branch_id.clear();
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
  for (Waiting &waiting : ended) {
    projects_.erase(waiting.ticket);
    --project->operations_under_way;
    waiting.done(waiting.failed);
  }
  SetDue(project, poller);
  if (!ended.empty()) project->changes_possible.NotifyAll();
}

}  // namespace agent_branch
