// The part of ApiCalls that deals with answers: what ends a call, and what has it tried again.
#include <algorithm>
#include <utility>

#include "worker/core/neon/api_call.hpp"

namespace agent_branch {
namespace {

constexpr BackoffPolicy kBusyBackoff{milliseconds(100), milliseconds(30'000)};
constexpr BackoffPolicy kTroubleBackoff{milliseconds(500), milliseconds(60'000)};
// Whatever a server asks for, nobody is kept waiting for longer without another look.
constexpr milliseconds kLongestRetryAfter{180'000};
// A busy project is nothing to tell anybody about, until it stays busy.
constexpr int kBusyWorthTelling = 5;

std::optional<milliseconds> RetryAfter(const Verdict &verdict) {
  if (!verdict.retry_after) return std::nullopt;
  return std::min<milliseconds>(*verdict.retry_after, kLongestRetryAfter);
}

}  // namespace

Verdict TooLate() {
  Verdict verdict;
  verdict.kind = VerdictKind::kUnreachable;
  verdict.why = Status::Error("55000", "the request could not be sent in time",
                              "What it rests on was looked at too long ago.");
  return verdict;
}

void ApiCalls::OnCompletion(const HttpCompletion &completion) {
  Call *call = Find(completion.id);
  if (call == nullptr || call->state != Call::State::kSent) return;
  Verdict verdict = Judge(call->call.request, completion.response);
  if (!completion.response.request_id.empty()) call->request_id = completion.response.request_id;
  Report(*call, verdict, completion.response.status);
  switch (verdict.kind) {
    case VerdictKind::kBusy:
    case VerdictKind::kThrottled:
    case VerdictKind::kUnavailable:
    case VerdictKind::kKey:
    case VerdictKind::kForbidden:
    case VerdictKind::kUnreachable:
      Retry(*call, verdict);
      return;
    case VerdictKind::kUnknown:
      if (!call->is_change()) {
        Retry(*call, verdict);
        return;
      }
      break;
    default:
      OpenKey(KeyOf(call->key_file));
      closures_.erase(call->project_id());
      if (call->is_change()) call->call.project->ChangeAccepted();
      break;
  }
  Release(*call);
  Finish(*call, verdict, completion.response.body);
}

void ApiCalls::Report(const Call &call, const Verdict &verdict, int http_status) const {
  if (parts_.observer == nullptr) return;
  CallReport report;
  report.route = call.call.request.route;
  report.request_id = call.request_id;
  report.session_id = call.call.session_id;
  report.project_id = call.project_id();
  report.http_status = http_status;
  report.kind = verdict.kind;
  report.is_change = call.is_change();
  report.is_retry = call.attempts > 0;
  report.waited = call.waited;
  report.took = parts_.clock->Now() - call.sent_at;
  parts_.observer->OnCall(report);
}

void ApiCalls::Finish(Call &finished, const Verdict &verdict, std::string body) {
  if (finished.call.valid_until) stale_.erase({*finished.call.valid_until, finished.id});
  auto node = calls_.extract(finished.id);
  const std::unique_ptr<Call> call = std::move(node.mapped());
  const bool known = verdict.kind != VerdictKind::kUnknown;
  if (call->step && known) {
    const bool done = verdict.kind == VerdictKind::kDone;
    call->step->request_id = call->request_id;
    parts_.journal->Record(*call->step, done, done ? "" : verdict.why.detail());
  }
  if (known && call->troubled) Trouble(*call, Status());
  ApiAnswer answer;
  answer.verdict = verdict;
  answer.body = std::move(body);
  answer.request_id = call->request_id;
  if (call->call.done) call->call.done(answer, call->step.value_or(StepRow{}));
}

void ApiCalls::GiveBack(Call &call, const Verdict &verdict) {
  if (call.state == Call::State::kWaiting) TakeOut(call);
  Finish(call, verdict, {});
}

void ApiCalls::Retry(Call &call, const Verdict &verdict) {
  PutOff(call, verdict);
  if (call.call.give_back) GiveBack(call, verdict);
}

void ApiCalls::PutOff(Call &call, const Verdict &verdict) {
  const Instant now = parts_.clock->Now();
  Release(call);
  ++waiting_;
  call.state = Call::State::kWaiting;
  call.waits_since = now;
  ++call.attempts;
  // What fails is the key that it was sent with; it is tried again with the one that the project
  // has.
  const std::string key_file = std::exchange(call.key_file, call.call.project->row.api_key_file);
  KeyState &key = KeyOf(key_file);
  const BackoffPolicy &policy = verdict.kind == VerdictKind::kBusy ? kBusyBackoff : kTroubleBackoff;
  milliseconds delay = BackoffDelay(policy, call.attempts, *parts_.random);
  if (std::optional<milliseconds> asked = RetryAfter(verdict)) delay = std::max(delay, *asked);
  call.not_before = now + delay;
  later_.emplace(call.not_before, call.id);
  switch (verdict.kind) {
    case VerdictKind::kBusy:
      OpenKey(key);
      if (call.is_change()) call.call.project->ChangeRefusedAsBusy(now + delay);
      if (call.attempts >= kBusyWorthTelling) Trouble(call, verdict.why);
      return;
    case VerdictKind::kThrottled:
      OpenKey(key);
      key.budget.Throttle(now + delay);
      if (call.attempts >= kBusyWorthTelling || verdict.retry_after) Trouble(call, verdict.why);
      return;
    case VerdictKind::kKey:
    case VerdictKind::kUnreachable:
      FailKey(key, key_file, verdict);
      return;
    case VerdictKind::kForbidden: {
      // The key works, and has no access to this project: nobody else's trouble.
      OpenKey(key);
      Closure &closure = closures_[call.project_id()];
      ++closure.failures;
      closure.until = now + BackoffDelay(kTroubleBackoff, closure.failures, *parts_.random);
      Trouble(call, verdict.why);
      return;
    }
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
  if (std::optional<milliseconds> asked = RetryAfter(verdict)) key.closed_until += *asked;
  for (const auto &[id, other] : calls_) {
    if (other->key_file == file) Trouble(*other, verdict.why);
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
  const bool moved = api_url_ != parts_.settings->api_url;
  api_url_ = parts_.settings->api_url;
  for (auto &[file, key] : keys_) {
    ConfigureBudgets(key);
    key.closed_until = Instant(0);
  }
  closures_.clear();
  for (const auto &[id, call] : calls_) {
    const bool waits = call->state == Call::State::kWaiting;
    if (waits && later_.erase({call->not_before, id}) > 0) later_.emplace(Instant(0), id);
    call->not_before = Instant(0);
    // What only reads need not wait for the end of a host that is no longer meant.
    if (!moved || call->state != Call::State::kSent || call->is_change()) continue;
    parts_.http->Cancel(id);
    Release(*call);
    ++waiting_;
    call->state = Call::State::kWaiting;
    call->waits_since = parts_.clock->Now();
    later_.emplace(Instant(0), id);
  }
}

}  // namespace agent_branch
