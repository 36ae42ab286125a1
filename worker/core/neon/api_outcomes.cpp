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

std::optional<milliseconds> RetryAfter(const ResponseClass &classified) {
  if (!classified.retry_after) return std::nullopt;
  return std::min<milliseconds>(*classified.retry_after, kLongestRetryAfter);
}

}  // namespace

ResponseClass TooLate() {
  ResponseClass classified;
  classified.kind = ResponseKind::kUnreachable;
  classified.why = Status::Error("55000", "the request could not be sent in time",
                                 "What it rests on was looked at too long ago.");
  return classified;
}

void ApiCalls::OnCompletion(const HttpCompletion &completion) {
  Call *call = Find(completion.id);
  if (call == nullptr || call->state != Call::State::kSent) return;
  ResponseClass classified = Judge(call->call.request, completion.response);
  if (!completion.response.request_id.empty()) call->request_id = completion.response.request_id;
  Report(*call, classified, completion.response.status);
  switch (classified.kind) {
    case ResponseKind::kBusy:
    case ResponseKind::kThrottled:
    case ResponseKind::kUnavailable:
    case ResponseKind::kKey:
    case ResponseKind::kForbidden:
    case ResponseKind::kUnreachable:
      Retry(*call, classified);
      return;
    case ResponseKind::kUnknown:
      if (!call->is_change()) {
        Retry(*call, classified);
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
  Finish(*call, classified, completion.response.body);
}

void ApiCalls::Report(const Call &call, const ResponseClass &classified, int http_status) const {
  if (services_.observer == nullptr) return;
  CallReport report;
  report.route = call.call.request.route;
  report.request_id = call.request_id;
  report.session_id = call.call.session_id;
  report.project_id = call.project_id();
  report.http_status = http_status;
  report.kind = classified.kind;
  report.is_change = call.is_change();
  report.is_retry = call.attempts > 0;
  report.waited = call.waited;
  report.took = services_.clock->Now() - call.sent_at;
  services_.observer->OnCall(report);
}

void ApiCalls::Finish(Call &finished, const ResponseClass &classified, std::string body) {
  if (finished.call.valid_until) stale_.erase({*finished.call.valid_until, finished.id});
  auto node = calls_.extract(finished.id);
  const std::unique_ptr<Call> call = std::move(node.mapped());
  const bool known = classified.kind != ResponseKind::kUnknown;
  if (call->step && known) {
    const bool done = classified.kind == ResponseKind::kDone;
    call->step->request_id = call->request_id;
    services_.journal->Record(*call->step, done, done ? "" : classified.why.detail());
  }
  if (known && call->troubled) Trouble(*call, Status());
  ApiAnswer answer;
  answer.classified = classified;
  answer.body = std::move(body);
  answer.request_id = call->request_id;
  if (call->call.done) call->call.done(answer, call->step.value_or(StepRow{}));
}

void ApiCalls::ReturnUnsent(Call &call, const ResponseClass &classified) {
  if (call.state == Call::State::kWaiting) TakeOut(call);
  Finish(call, classified, {});
}

void ApiCalls::Retry(Call &call, const ResponseClass &classified) {
  PutOff(call, classified);
  if (call.call.returns_unsent) ReturnUnsent(call, classified);
}

void ApiCalls::PutOff(Call &call, const ResponseClass &classified) {
  const Instant now = services_.clock->Now();
  Release(call);
  ++waiting_;
  call.state = Call::State::kWaiting;
  call.waits_since = now;
  ++call.attempts;
  // What fails is the key that it was sent with; it is tried again with the one that the project
  // has.
  const std::string key_file = std::exchange(call.key_file, call.call.project->row.api_key_file);
  KeyState &key = KeyOf(key_file);
  const BackoffPolicy &policy =
      classified.kind == ResponseKind::kBusy ? kBusyBackoff : kTroubleBackoff;
  milliseconds delay = BackoffDelay(policy, call.attempts, *services_.random);
  if (std::optional<milliseconds> asked = RetryAfter(classified)) delay = std::max(delay, *asked);
  call.not_before = now + delay;
  later_.emplace(call.not_before, call.id);
  switch (classified.kind) {
    case ResponseKind::kBusy:
      OpenKey(key);
      if (call.is_change()) call.call.project->ChangeRefusedAsBusy(now + delay);
      if (call.attempts >= kBusyWorthTelling) Trouble(call, classified.why);
      return;
    case ResponseKind::kThrottled:
      OpenKey(key);
      key.budget.Throttle(now + delay);
      if (call.attempts >= kBusyWorthTelling || classified.retry_after)
        Trouble(call, classified.why);
      return;
    case ResponseKind::kKey:
    case ResponseKind::kUnreachable:
      FailKey(key, key_file, classified);
      return;
    case ResponseKind::kForbidden: {
      // The key works, and has no access to this project: nobody else's trouble.
      OpenKey(key);
      Closure &closure = closures_[call.project_id()];
      ++closure.failures;
      closure.until = now + BackoffDelay(kTroubleBackoff, closure.failures, *services_.random);
      Trouble(call, classified.why);
      return;
    }
    default:
      Trouble(call, classified.why);
      return;
  }
}

void ApiCalls::FailKey(KeyState &key, const std::string &file, const ResponseClass &classified) {
  ++key.failures;
  key.why = classified.why;
  key.closed_until =
      services_.clock->Now() + BackoffDelay(kTroubleBackoff, key.failures, *services_.random);
  if (std::optional<milliseconds> asked = RetryAfter(classified)) key.closed_until += *asked;
  for (const auto &[id, other] : calls_) {
    if (other->key_file == file) Trouble(*other, classified.why);
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
  const bool moved = api_url_ != services_.settings->api_url;
  api_url_ = services_.settings->api_url;
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
    services_.http->Cancel(id);
    Release(*call);
    ++waiting_;
    call->state = Call::State::kWaiting;
    call->waits_since = services_.clock->Now();
    later_.emplace(Instant(0), id);
  }
}

}  // namespace agent_branch
