#include "worker/branch/canceller.hpp"

#include <utility>

namespace agent_branch {

Canceller::Canceller(int epoll, uint64_t tag, HostResolver *resolver, const RunnerOptions &options,
                     std::unique_ptr<Connection> victim, ConnectionTarget target, TimePoint now)
    : victim_(std::move(victim)),
      give_up_at_(now + options.cancel_timeout),
      dialer_(epoll, tag, resolver, options, std::move(target), give_up_at_) {
  victim_->StopReading();
}

TimePoint Canceller::deadline() const {
  if (done_) return TimePoint{};
  if (!helper_) return dialer_.deadline();
  return helper_->has_buffered_input() ? TimePoint{} : give_up_at_;
}

void Canceller::Advance(TimePoint now) {
  if (!helper_) {
    dialer_.Advance(now);
    helper_ = dialer_.TakeConnection();
    if (helper_) {
      helper_->Send(
          "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
          "WHERE pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() "
          "AND pg_catalog.starts_with(query, '" +
          victim_->mark() + "')");
    } else if (!dialer_.status().ok()) {
      done_ = true;
    }
  }
  if (helper_) {
    helper_->Advance();
    if (helper_->state() != Connection::State::kBusy) done_ = true;
  }
  if (now >= give_up_at_) done_ = true;
}

}  // namespace agent_branch
