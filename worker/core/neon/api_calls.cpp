#include "worker/core/neon/api_calls.hpp"

#include <algorithm>
#include <utility>

#include "worker/core/neon/api_call.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxUnderWay = 64;
// Longer than any answer of Neon's that is on its way; far below the time limit of an exchange.
constexpr milliseconds kSilenceWorthTelling{5'000};
// A third of the budget is for calls that only wait for something.
constexpr int kShareOfPolls = 3;
constexpr int kLeastBurstOfPolls = 10;
constexpr char kKeyGate[] = "the API key and its host to work again";

Status Silent(const NeonRequest &request) {
  return Status::Error("08006", "the Neon API has not answered yet",
                       request.method + " " + request.path + " was sent some seconds ago.",
                       "If it stays so, check agent_branch.api_url, the network and the firewall.");
}

}  // namespace

ApiCalls::ApiCalls(Services services) : services_(services), api_url_(services.settings->api_url) {}

ApiCalls::~ApiCalls() = default;

void ApiCalls::ConfigureBudgets(KeyState &key) {
  const int per_minute = services_.settings->rate_limit_per_minute;
  const int burst = services_.settings->rate_limit_burst;
  const Instant now = services_.clock->Now();
  key.budget.Configure(per_minute, burst, now);
  const int burst_of_polls = std::clamp(burst / 2, 1, std::max(kLeastBurstOfPolls, burst / 2));
  key.polls.Configure(std::max(per_minute / kShareOfPolls, burst_of_polls + 1), burst_of_polls,
                      now);
}

ApiCalls::KeyState &ApiCalls::KeyOf(const std::string &file) {
  auto [found, added] = keys_.try_emplace(file);
  if (added) {
    if (services_.budgets != nullptr) found->second.budget = services_.budgets->Budget(file);
    ConfigureBudgets(found->second);
  }
  return found->second;
}

// Unlike those of other processes, so that Neon's support finds the one that is meant.
std::string ApiCalls::MakeRequestId() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string id = "agent-branch-";
  for (int n = 0; n < 16; ++n)
    id += kDigits[static_cast<int>(services_.random->Next() * 16) & 15];
  return id;
}

ApiCalls::Call *ApiCalls::Find(uint64_t id) const {
  auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second.get();
}

uint64_t ApiCalls::Enqueue(ApiCall call) {
  auto added = std::make_unique<Call>();
  Call &queued = *added;
  queued.id = next_id_++;
  queued.call = std::move(call);
  queued.key_file = queued.call.project->row.api_key_file;
  queued.request_id = MakeRequestId();
  queued.waits_since = services_.clock->Now();
  calls_.emplace(queued.id, std::move(added));
  ++waiting_;
  if (queued.call.valid_until) stale_.emplace(*queued.call.valid_until, queued.id);
  KeyState &key = KeyOf(queued.key_file);
  key.queue.Add(queued.id, queued.call.priority, queued.project_id(), queued.is_change());
  if (key.failures > 0) Trouble(queued, key.why);
  return queued.id;
}

void ApiCalls::TakeOut(Call &call) {
  if (call.state == Call::State::kWaiting) {
    --waiting_;
    KeyOf(call.key_file)
        .queue.Remove(call.id, call.call.priority, call.project_id(), call.is_change());
    later_.erase({call.not_before, call.id});
  } else {
    Release(call);
  }
  if (call.call.valid_until) stale_.erase({*call.call.valid_until, call.id});
}

void ApiCalls::OnKeyFile(const Project &project) {
  for (const auto &[id, call] : calls_) {
    const std::string &file = project.row.api_key_file;
    if (call->call.project != &project || call->key_file == file) continue;
    if (call->state != Call::State::kWaiting) continue;
    const bool queued = later_.count({call->not_before, id}) == 0;
    if (queued) {
      KeyOf(call->key_file)
          .queue.Remove(id, call->call.priority, project.row.id, call->is_change());
      KeyOf(file).queue.Add(id, call->call.priority, project.row.id, call->is_change());
    }
    call->key_file = file;
  }
}

bool ApiCalls::MayCancel(uint64_t id) const {
  const Call *call = Find(id);
  // A step that is intended is going to be sent, and of one that was sent the end has to be seen. A
  // change that waits to be tried again had no effect, as its answer said.
  return call == nullptr || !call->step || call->state == Call::State::kWaiting;
}

bool ApiCalls::Cancel(uint64_t id) {
  Call *call = Find(id);
  if (call == nullptr) return true;
  if (!MayCancel(id)) return false;
  if (call->state == Call::State::kSent) services_.http->Cancel(id);
  if (call->step)
    services_.journal->Record(*call->step, false, "given up before it was tried again");
  TakeOut(*call);
  calls_.erase(id);
  return true;
}

void ApiCalls::SetAside(const Owner &owner) {
  for (auto at = calls_.begin(); at != calls_.end();) {
    Call &call = *at->second;
    const bool concerned = Owner::Of(call.call.session_id, call.project_id()) == owner &&
                           call.state == Call::State::kIntending;
    if (!concerned) {
      ++at;
      continue;
    }
    Release(call);
    at = calls_.erase(at);
  }
}

void ApiCalls::Abandon(uint64_t id) {
  if (Cancel(id)) return;
  Call *call = Find(id);
  call->call.done = nullptr;
  call->call.trouble = nullptr;
}

void ApiCalls::ConsiderDeadline(std::optional<Instant> when) {
  if (when && (!next_deadline_ || *when < *next_deadline_)) next_deadline_ = when;
}

void ApiCalls::Requeue(Instant now) {
  while (!later_.empty() && later_.begin()->first <= now) {
    Call *call = Find(later_.begin()->second);
    later_.erase(later_.begin());
    KeyOf(call->key_file)
        .queue.AddFirst(call->id, call->call.priority, call->project_id(), call->is_change());
  }
}

void ApiCalls::ReturnStale(Instant now) {
  while (!stale_.empty() && stale_.begin()->first < now) {
    Call *call = Find(stale_.begin()->second);
    stale_.erase(stale_.begin());
    // One that is intended is looked at when it is sent, which is after a commit.
    if (call->state == Call::State::kWaiting) ReturnUnsent(*call, TooLate());
  }
}

void ApiCalls::Dispatch() {
  const Instant now = services_.clock->Now();
  next_deadline_.reset();
  Requeue(now);
  ReturnStale(now);
  for (auto &[file, key] : keys_) {
    if (!key.queue.empty()) DispatchKey(key, now);
  }
  if (!later_.empty()) ConsiderDeadline(later_.begin()->first);
  if (!stale_.empty()) ConsiderDeadline(stale_.begin()->first + milliseconds(1));
  NoticeSilence(now);
}

void ApiCalls::DispatchKey(KeyState &key, Instant now) {
  std::optional<Instant> soonest;
  const auto may_go = [&](uint64_t id) {
    const std::optional<Instant> when = GateOf(*Find(id), now).when;
    if (!when) return false;
    if (*when <= now) return true;
    if (!soonest || *when < *soonest) soonest = when;
    return false;
  };
  for (;;) {
    const uint64_t id = key.queue.Take(may_go);
    if (id == 0) break;
    Call &call = *Find(id);
    if (Admit(call)) continue;
    // Another process has spent what was there.
    key.queue.AddFirst(id, call.call.priority, call.project_id(), call.is_change());
    soonest = now + milliseconds(1);
    break;
  }
  ConsiderDeadline(soonest);
}

ApiCalls::Gate ApiCalls::GateOfChange(const Call &call, Instant now) const {
  const Project &project = *call.call.project;
  const bool reserved =
      project.reserved_by != nullptr && project.reserved_by != call.call.on_behalf_of;
  if (reserved) return {"the merge that compares the parent now", std::nullopt};
  if (project.changes_in_flight() >= project.change_limit()) {
    return {"another change of the project at Neon", std::nullopt};
  }
  if (project.changes_allowed_at > now) {
    return {"the project, which was busy, to be tried again", project.changes_allowed_at};
  }
  return {"", now};
}

ApiCalls::Gate ApiCalls::GateOfBudget(const Call &call, KeyState &key, Instant now) const {
  const std::string &route = call.call.request.route;
  Instant when = key.budget.WhenAllowed(route, now);
  if (call.call.priority == Priority::kPoll) {
    when = std::max(when, key.polls.WhenAllowed(route, now));
  }
  return {when > now ? "the request rate of the API key" : "", when};
}

ApiCalls::Gate ApiCalls::GateOf(const Call &call, Instant now) {
  KeyState &key = KeyOf(call.key_file);
  if (key.failures > 0 && key.under_way > 0) return {kKeyGate, std::nullopt};
  if (key.closed_until > now) return {kKeyGate, key.closed_until};
  auto closure = closures_.find(call.project_id());
  if (closure != closures_.end() && closure->second.until > now) {
    return {"the API key to have access to the project", closure->second.until};
  }
  if (call.is_change()) {
    Gate gate = GateOfChange(call, now);
    if (!gate.waits_for.empty()) return gate;
  }
  if (call.not_before > now) return {"its request to be tried again", call.not_before};
  if (under_way_ >= kMaxUnderWay) return {"a free connection to the API", std::nullopt};
  return GateOfBudget(call, key, now);
}

std::string ApiCalls::WhyWaits(uint64_t id) {
  const Call *call = Find(id);
  if (call == nullptr) return {};
  if (call->state != Call::State::kWaiting) return "Neon's answer to " + call->call.request.route;
  return GateOf(*call, services_.clock->Now()).waits_for;
}

void ApiCalls::NoticeSilence(Instant now) {
  while (!sent_.empty()) {
    Call *call = Find(sent_.front().second);
    const bool waits = call != nullptr && call->state == Call::State::kSent &&
                       call->sent_at == sent_.front().first && !call->troubled;
    if (waits && call->sent_at + kSilenceWorthTelling > now) {
      ConsiderDeadline(call->sent_at + kSilenceWorthTelling);
      return;
    }
    sent_.pop_front();
    if (waits) Trouble(*call, Silent(call->call.request));
  }
}

std::optional<Instant> ApiCalls::NextDeadline() const {
  return next_deadline_;
}

bool ApiCalls::Admit(Call &call) {
  KeyState &key = KeyOf(call.key_file);
  const Instant now = services_.clock->Now();
  const std::string &route = call.call.request.route;
  if (!key.budget.Spend(route, now)) return false;
  if (call.call.priority == Priority::kPoll) key.polls.Spend(route, now);
  ++key.under_way;
  ++under_way_;
  --waiting_;
  call.state = Call::State::kIntending;
  call.waited = now - call.waits_since;
  if (call.is_change()) ++call.call.project->changes_under_way;
  if (!call.call.step || call.step) {
    Send(call.id);
    return true;
  }
  const uint64_t id = call.id;
  call.step = services_.journal->Intend(*call.call.project, call.call.session_id, *call.call.step,
                                        call.call.step_target, [this, id] { Send(id); });
  return true;
}

HttpRequest ApiCalls::MakeRequest(const Call &call, const Secret &key) {
  HttpRequest request;
  request.method = call.call.request.method;
  request.url = services_.settings->api_url + call.call.request.path;
  request.body = call.call.request.body;
  request.request_id = call.request_id;
  request.headers.emplace_back("Authorization", Secret("Bearer " + std::string(key.Reveal())));
  request.headers.emplace_back("Accept", Secret("application/json"));
  if (!request.body.empty()) {
    request.headers.emplace_back("Content-Type", Secret("application/json"));
  }
  return request;
}

void ApiCalls::Send(uint64_t id) {
  Call *call = Find(id);
  if (call == nullptr) return;
  call->state = Call::State::kSent;
  if (call->call.valid_until && services_.clock->Now() > *call->call.valid_until) {
    Release(*call);
    ReturnUnsent(*call, TooLate());
    return;
  }
  Result<Secret> key = services_.keys->Key(call->key_file);
  if (!key.ok()) {
    ResponseClass classified;
    classified.kind = ResponseKind::kKey;
    classified.why = key.status();
    // No event follows, and this may come after Dispatch() has looked at when to try again.
    const Instant when = services_.clock->Now() + milliseconds(1);
    Retry(*call, classified);
    ConsiderDeadline(when);
    return;
  }
  call->sent_at = services_.clock->Now();
  sent_.emplace_back(call->sent_at, id);
  ConsiderDeadline(sent_.front().first + kSilenceWorthTelling);
  KeyState &state = KeyOf(call->key_file);
  state.budget.Sent(call->call.request.route, call->sent_at);
  ++sent_total_;
  if (on_sent && call->call.session_id != 0) on_sent(call->call.session_id);
  services_.http->Send(id, MakeRequest(*call, key.value()));
}

void ApiCalls::Release(Call &call) {
  --KeyOf(call.key_file).under_way;
  --under_way_;
  if (!call.is_change()) return;
  --call.call.project->changes_under_way;
  call.call.project->changes_possible.NotifyAll();
}

int ApiCalls::budget_left() const {
  int left = services_.settings->rate_limit_burst;
  for (const auto &[file, key] : keys_) {
    left = std::min(left, key.budget.left(services_.clock->Now()));
  }
  return left;
}

}  // namespace agent_branch
