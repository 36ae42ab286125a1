#include "worker/branch/dialer.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

bool Contains(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [text](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}

}  // namespace

bool IsTransient(const ConnectionFailure &failure) {
  // Neon's proxy gives most of its errors the same SQLSTATE, and what they mean in words; libpq's
  // own have none.
  if (Contains(failure.text,
               {"password authentication failed", "no password supplied", "endpoint is disabled",
                "SSL was required", "certificate", "channel binding"})) {
    return false;
  }
  if (failure.sqlstate.empty()) return true;  // refused, reset, closed, silent
  const std::string state_class = failure.sqlstate.substr(0, 2);
  return state_class == "08" || state_class == "53" || state_class == "57" || state_class == "58" ||
         state_class == "XX";
}

Dialer::Dialer(int epoll, uint64_t tag, HostResolver *resolver, const RunnerOptions &options,
               ConnectionTarget target, TimePoint give_up_at)
    : epoll_(epoll),
      tag_(tag),
      resolver_(resolver),
      options_(options),
      target_(std::move(target)),
      give_up_at_(give_up_at),
      wake_at_(TimePoint{}),
      addresses_(KnownAddresses(target_.host)),
      backoff_(options.first_backoff) {}

Dialer::~Dialer() {
  if (resolving_) resolver_->Forget(tag_);
}

TimePoint Dialer::deadline() const {
  if (attempt_ && attempt_->has_buffered_input()) return TimePoint{};
  if (resolving_) return give_up_at_;
  return std::min(wake_at_, give_up_at_);
}

void Dialer::Advance(TimePoint now) {
  if (open_ || !status_.ok()) return;
  if (attempt_) return Follow(now);
  if (now >= give_up_at_) return GiveUp(last_failure_);
  if (addresses_.empty() && !asked_) Resolve();
  if (!addresses_.empty() && now >= wake_at_) Attempt(now);
}

void Dialer::Resolve() {
  asked_ = true;
  if (!resolver_) return GiveUp({"", "there is no resolver for host names"});
  resolving_ = true;
  resolver_->Resolve(
      tag_, target_.host, target_.port,
      [this](const Result<std::vector<std::string>> &result) { OnAddresses(result); });
}

void Dialer::OnAddresses(const Result<std::vector<std::string>> &addresses) {
  resolving_ = false;
  if (!addresses.ok()) {
    const Status &status = addresses.status();
    const std::string text = status.message() + (status.detail().empty() ? "" : ": ");
    return GiveUp({status.sqlstate(), text + status.detail(), status.hint()});
  }
  for (const std::string &address : addresses.value()) {
    if (IsNumericAddress(address)) addresses_.push_back(address);
  }
  if (addresses_.empty()) return GiveUp({"", "the host name has no address"});
  wake_at_ = TimePoint{};
}

void Dialer::Attempt(TimePoint now) {
  const std::string &address = addresses_[attempts_++ % addresses_.size()];
  attempted_at_ = now;
  wake_at_ = std::min(give_up_at_, now + options_.attempt_timeout);
  attempt_ = std::make_unique<Connection>(epoll_, tag_, target_, address, options_.ca_file,
                                          options_.longest_message);
  if (attempt_->state() == Connection::State::kBroken) Failed(attempt_->failure(), now);
}

void Dialer::Follow(TimePoint now) {
  attempt_->Advance();
  if (attempt_->state() == Connection::State::kReady) {
    open_ = std::move(attempt_);
    return;
  }
  if (attempt_->state() == Connection::State::kBroken) return Failed(attempt_->failure(), now);
  if (now < wake_at_) return;
  // An attempt that was cut short says less than the one before it.
  if (now < attempted_at_ + options_.attempt_timeout && !last_failure_.text.empty())
    return GiveUp(last_failure_);
  Failed({"", "the server did not answer in time"}, now);
}

void Dialer::Failed(const ConnectionFailure &failure, TimePoint now) {
  last_failure_ = failure;  // a copy: it may live in the attempt
  attempt_.reset();
  if (!IsTransient(last_failure_) || now + backoff_ >= give_up_at_) return GiveUp(last_failure_);
  // The other addresses of a name are tried without a pause.
  const bool pause = attempts_ % addresses_.size() == 0;
  wake_at_ = pause ? now + backoff_ : now;
  if (pause) backoff_ = std::min(2 * backoff_, options_.longest_backoff);
}

void Dialer::GiveUp(const ConnectionFailure &failure) {
  const std::string sqlstate = failure.sqlstate.empty() ? "08001" : failure.sqlstate;
  const std::string text = failure.text.empty() ? "the time was up" : failure.text;
  status_ =
      Status::Error(sqlstate, "could not connect to the branch's database", text, failure.hint);
  attempt_.reset();
}

}  // namespace agent_branch
