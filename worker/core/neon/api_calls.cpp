#include "worker/core/neon/api_calls.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace agent_branch {
namespace {

constexpr size_t kMaxUnderWay = 64;
constexpr BackoffPolicy kBusyBackoff{milliseconds(250), milliseconds(5'000)};
constexpr BackoffPolicy kTroubleBackoff{milliseconds(500), milliseconds(10'000)};
// A busy project is nothing to tell anybody about, until it stays busy.
constexpr int kBusyWorthTelling = 5;
// Longer than any answer of Neon's that is on its way; far below the time limit of an exchange.
constexpr milliseconds kSilenceWorthTelling{5'000};

Status Silent(const NeonRequest &request) {
  return Status::Error("08006", "the Neon API has not answered yet",
                       request.method + " " + request.path + " was sent some seconds ago.",
                       "If it stays so, check agent_branch.api_url, the network and the firewall.");
}

}  // namespace

struct ApiCalls::Call {
  enum class State { kWaiting, kIntending, kSent };

  uint64_t id = 0;
  ApiCall call;
  State state = State::kWaiting;
  std::optional<StepRow> step;
  std::string key_file;  // of the key it was admitted with; the project may get another one
  Instant not_before{0};
  Instant sent_at{0};
  int attempts = 0;
  bool troubled = false;
  bool is_change() const { return call.request.is_change(); }
  Instant silence_noticed_at() const {
    bool waits = state == State::kSent && !troubled;
    return waits ? sent_at + kSilenceWorthTelling : Instant::max();
  }
};

ApiCalls::ApiCalls(Parts parts) : parts_(parts), api_url_(parts.settings->api_url) {}

ApiCalls::~ApiCalls() = default;

ApiCalls::KeyState &ApiCalls::KeyOf(const std::string &file) {
  auto [found, added] = keys_.try_emplace(file);
  if (added) {
    if (parts_.budgets != nullptr) found->second.budget = parts_.budgets->Budget(file);
    found->second.budget.Configure(parts_.settings->rate_limit_per_minute,
                                   parts_.settings->rate_limit_burst, parts_.clock->Now());
  }
  return found->second;
}

uint64_t ApiCalls::Enqueue(ApiCall call) {
  auto waiting = std::make_unique<Call>();
  waiting->id = next_id_++;
  waiting->call = std::move(call);
  calls_.push_back(std::move(waiting));
  ++waiting_;
  Call &queued = *calls_.back();
  const KeyState &key = KeyOf(queued.call.project->row.api_key_file);
  if (key.failures > 0) Trouble(queued, key.why);
  return queued.id;
}

ApiCalls::CallList::iterator ApiCalls::Find(uint64_t id) {
  return std::find_if(calls_.begin(), calls_.end(),
                      [id](const auto &call) { return call->id == id; });
}

bool ApiCalls::Cancel(uint64_t id) {
  auto at = Find(id);
  if (at == calls_.end()) return true;
  Call &call = **at;
  // A step that was intended is going to be sent, or was sent once already: its end has to be seen.
  if (call.step) return false;
  if (call.state == Call::State::kSent) {
    parts_.http->Cancel(id);
    Release(call);
  } else {
    --waiting_;
  }
  calls_.erase(at);
  return true;
}

ApiCalls::Gate ApiCalls::GateOf(Call &call, Instant now) {
  const Project &project = *call.call.project;
  KeyState &key = KeyOf(project.row.api_key_file);
  if (key.failures > 0 && key.under_way > 0) {
    return {"the API key and its host to work again", std::nullopt};
  }
  if (key.closed_until > now) return {"the API key and its host to work again", key.closed_until};
  if (call.is_change()) {
    bool reserved = project.reserved_by != 0 && project.reserved_by != call.call.session_id;
    if (reserved) return {"the merge that compares the parent now", std::nullopt};
    if (project.busy()) return {"another change of the project at Neon", std::nullopt};
    if (project.changes_allowed_at > now) {
      return {"the project, which was busy, to be tried again", project.changes_allowed_at};
    }
  }
  if (call.not_before > now) return {"its request to be tried again", call.not_before};
  if (under_way_ >= kMaxUnderWay) return {"a free connection to the API", std::nullopt};
  Instant when = key.budget.WhenAllowed(call.call.request.route, now);
  return {when > now ? "the request rate of the API key" : "", when};
}

std::string ApiCalls::WhyWaits(uint64_t id) {
  auto at = Find(id);
  if (at == calls_.end()) return {};
  Call &call = **at;
  if (call.state == Call::State::kWaiting) return GateOf(call, parts_.clock->Now()).waits_for;
  return "Neon's answer to " + call.call.request.route;
}

void ApiCalls::Dispatch() {
  Instant now = parts_.clock->Now();
  std::vector<Call *> order;
  for (const auto &call : calls_) {
    if (call->state == Call::State::kWaiting) order.push_back(call.get());
  }
  std::stable_sort(order.begin(), order.end(), [](const Call *a, const Call *b) {
    return a->call.priority < b->call.priority;
  });
  next_deadline_.reset();
  for (Call *call : order) {
    std::optional<Instant> when = GateOf(*call, now).when;
    if (!when) continue;
    if (*when <= now && Admit(*call)) continue;
    if (!next_deadline_ || *when < *next_deadline_) next_deadline_ = when;
  }
  NoticeSilence(now);
}

void ApiCalls::NoticeSilence(Instant now) {
  for (const auto &call : calls_) {
    if (call->silence_noticed_at() <= now) Trouble(*call, Silent(call->call.request));
  }
}

std::optional<Instant> ApiCalls::NextDeadline() const {
  std::optional<Instant> next = next_deadline_;
  for (const auto &call : calls_) {
    Instant when = call->silence_noticed_at();
    if (when < Instant::max() && (!next || when < *next)) next = when;
  }
  return next;
}

bool ApiCalls::Admit(Call &call) {
  call.key_file = call.call.project->row.api_key_file;
  KeyState &key = KeyOf(call.key_file);
  if (!key.budget.Spend(call.call.request.route, parts_.clock->Now())) return false;
  ++key.under_way;
  ++under_way_;
  --waiting_;
  if (call.is_change()) ++call.call.project->changes_under_way;
  if (!call.call.step || call.step) {
    Send(call.id);
    return true;
  }
  call.state = Call::State::kIntending;
  uint64_t id = call.id;
  call.step = parts_.journal->Intend(*call.call.project, call.call.session_id, *call.call.step,
                                     call.call.step_target, [this, id] { Send(id); });
  return true;
}

void ApiCalls::Send(uint64_t id) {
  auto at = Find(id);
  if (at == calls_.end()) return;
  Call &call = **at;
  call.state = Call::State::kSent;
  Result<Secret> key = parts_.keys->Key(call.key_file);
  if (!key.ok()) {
    Verdict verdict;
    verdict.kind = VerdictKind::kKey;
    verdict.why = key.status();
    // No event follows, and this may come after Dispatch() has looked at when to try again.
    KeyState &state = KeyOf(call.key_file);
    Retry(at, verdict);
    Instant when = std::max(state.closed_until, parts_.clock->Now());
    next_deadline_ = std::min(next_deadline_.value_or(when), when);
    return;
  }
  HttpRequest request;
  request.method = call.call.request.method;
  request.url = parts_.settings->api_url + call.call.request.path;
  request.body = call.call.request.body;
  request.headers.emplace_back("Authorization",
                               Secret("Bearer " + std::string(key.value().Reveal())));
  request.headers.emplace_back("Accept", Secret("application/json"));
  if (!request.body.empty()) {
    request.headers.emplace_back("Content-Type", Secret("application/json"));
  }
  call.sent_at = parts_.clock->Now();
  KeyOf(call.key_file).budget.Sent(call.call.request.route, call.sent_at);
  ++sent_total_;
  if (on_sent && call.call.session_id != 0) on_sent(call.call.session_id);
  parts_.http->Send(id, std::move(request));
}

void ApiCalls::Release(Call &call) {
  --KeyOf(call.key_file).under_way;
  --under_way_;
  if (call.is_change()) --call.call.project->changes_under_way;
}

void ApiCalls::OnCompletion(const HttpCompletion &completion) {
  auto at = Find(completion.id);
  if (at == calls_.end() || (*at)->state != Call::State::kSent) return;
  Call &call = **at;
  Verdict verdict = Judge(call.call.request, completion.response);
  switch (verdict.kind) {
    case VerdictKind::kBusy:
    case VerdictKind::kThrottled:
    case VerdictKind::kUnavailable:
    case VerdictKind::kKey:
    case VerdictKind::kForbidden:
    case VerdictKind::kUnreachable:
      Retry(at, verdict);
      return;
    case VerdictKind::kUnknown:
      if (!call.is_change()) {
        Retry(at, verdict);
        return;
      }
      break;
    default:
      OpenKey(KeyOf(call.key_file));
      break;
  }
  Finish(at, verdict, completion.response.body);
}

void ApiCalls::Finish(CallList::iterator at, const Verdict &verdict, std::string body) {
  std::unique_ptr<Call> call = std::move(*at);
  calls_.erase(at);
  Release(*call);
  bool known = verdict.kind != VerdictKind::kUnknown;
  if (call->step && known) {
    bool done = verdict.kind == VerdictKind::kDone;
    parts_.journal->Record(*call->step, done, done ? "" : verdict.why.detail());
  }
  if (known && call->troubled) Trouble(*call, Status());
  ApiAnswer answer;
  answer.verdict = verdict;
  answer.body = std::move(body);
  call->call.done(answer, call->step.value_or(StepRow{}));
}

void ApiCalls::Retry(CallList::iterator at, const Verdict &verdict) {
  PutOff(**at, verdict);
  if (!(*at)->call.give_back) return;
  std::unique_ptr<Call> call = std::move(*at);
  calls_.erase(at);
  --waiting_;
  if (call->step) parts_.journal->Record(*call->step, false, verdict.why.detail());
  ApiAnswer answer;
  answer.verdict = verdict;
  call->call.done(answer, StepRow{});
}

void ApiCalls::PutOff(Call &call, const Verdict &verdict) {
  Instant now = parts_.clock->Now();
  Release(call);
  ++waiting_;
  call.state = Call::State::kWaiting;
  ++call.attempts;
  KeyState &key = KeyOf(call.key_file);
  const BackoffPolicy &policy = verdict.kind == VerdictKind::kBusy ? kBusyBackoff : kTroubleBackoff;
  milliseconds delay = BackoffDelay(policy, call.attempts, *parts_.random);
  if (verdict.retry_after) delay = std::max<milliseconds>(delay, *verdict.retry_after);
  call.not_before = now + delay;
  switch (verdict.kind) {
    case VerdictKind::kBusy:
      OpenKey(key);
      if (call.is_change()) call.call.project->changes_allowed_at = now + delay;
      if (call.attempts >= kBusyWorthTelling) Trouble(call, verdict.why);
      return;
    case VerdictKind::kThrottled:
      OpenKey(key);
      key.budget.Throttle(now + delay);
      if (call.attempts >= kBusyWorthTelling) Trouble(call, verdict.why);
      return;
    case VerdictKind::kKey:
    case VerdictKind::kUnreachable:
      FailKey(key, call.key_file, verdict);
      return;
    default:
      Trouble(call, verdict.why);
      return;
  }
}

void ApiCalls::FailKey(KeyState &key, const std::string &file, const Verdict &verdict) {
  ++key.failures;
  key.why = verdict.why;
  key.closed_until =
      parts_.clock->Now() + BackoffDelay(kTroubleBackoff, key.failures, *parts_.random);
  if (verdict.retry_after) key.closed_until += *verdict.retry_after;
  for (const auto &other : calls_) {
    if (other->call.project->row.api_key_file == file) Trouble(*other, verdict.why);
  }
}

void ApiCalls::OpenKey(KeyState &key) {
  key.failures = 0;
  key.closed_until = Instant(0);
  key.why = Status();
}

void ApiCalls::Trouble(Call &call, const Status &why) {
  call.troubled = !why.ok();
  if (call.call.trouble) call.call.trouble(why);
}

void ApiCalls::Reconfigure() {
  bool moved = api_url_ != parts_.settings->api_url;
  api_url_ = parts_.settings->api_url;
  for (auto &[file, key] : keys_) {
    key.budget.Configure(parts_.settings->rate_limit_per_minute, parts_.settings->rate_limit_burst,
                         parts_.clock->Now());
    key.closed_until = Instant(0);
  }
  for (const auto &call : calls_) {
    call->not_before = Instant(0);
    // What only reads need not wait for the end of a host that is no longer meant.
    if (!moved || call->state != Call::State::kSent || call->is_change()) continue;
    parts_.http->Cancel(call->id);
    Release(*call);
    ++waiting_;
    call->state = Call::State::kWaiting;
  }
}

int ApiCalls::budget_left() const {
  int left = parts_.settings->rate_limit_burst;
  for (const auto &[file, key] : keys_) {
    left = std::min(left, key.budget.left(parts_.clock->Now()));
  }
  return left;
}

}  // namespace agent_branch
