#include "worker/branch/runner.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace agent_branch {

LibpqBranchRunner::LibpqBranchRunner(HostResolver *resolver, RunnerOptions options)
    : resolver_(resolver), options_(std::move(options)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  ForgetLibpqEnvironment();
}

LibpqBranchRunner::~LibpqBranchRunner() {
  channels_.clear();
  cancellers_.clear();
  if (epoll_ >= 0) close(epoll_);
}

void LibpqBranchRunner::Start(BranchTask task) {
  work_due_ = true;
  if (epoll_ < 0) {
    BranchEvent event;
    event.id = task.id;
    event.error = Status::Error("53000", "could not create an epoll descriptor");
    return Report(std::move(event));
  }
  const auto [at, added] = tags_by_key_.emplace(task.connection_key, last_tag_ + 1);
  if (added) {
    last_tag_ = at->second;
    channels_.try_emplace(at->second, static_cast<ChannelHost *>(this), at->second,
                          task.connection_key);
  }
  channels_.at(at->second).Add(std::move(task));
}

void LibpqBranchRunner::Commit(uint64_t id) {
  work_due_ = true;
  for (auto &[tag, channel] : channels_)
    channel.Commit(id);
}

void LibpqBranchRunner::Cancel(uint64_t id) {
  work_due_ = true;
  const auto concerns = [id](const BranchEvent &event) { return event.id == id; };
  events_.erase(std::remove_if(events_.begin(), events_.end(), concerns), events_.end());
  for (auto &[tag, channel] : channels_) {
    if (channel.Cancel(id)) return;
  }
}

void LibpqBranchRunner::Close(const std::string &connection_key) {
  work_due_ = true;
  const auto at = tags_by_key_.find(connection_key);
  if (at != tags_by_key_.end()) channels_.at(at->second).CloseIdle();
}

std::optional<TimePoint> LibpqBranchRunner::NextDeadline() const {
  if (work_due_ || !events_.empty()) return TimePoint{};
  std::optional<TimePoint> next;
  const auto consider = [&next](TimePoint at) {
    if (!next || at < *next) next = at;
  };
  for (const auto &[tag, channel] : channels_) {
    if (const auto at = channel.deadline()) consider(*at);
  }
  for (const auto &[tag, canceller] : cancellers_)
    consider(canceller.deadline());
  return next;
}

void LibpqBranchRunner::Advance() {
  work_due_ = false;
  const TimePoint now = std::chrono::steady_clock::now();
  AdvanceCancellers(now);
  AdvanceChannels(now);
}

void LibpqBranchRunner::AdvanceChannels(TimePoint now) {
  size_t open = connections();
  for (auto at = channels_.begin(); at != channels_.end();) {
    Channel &channel = at->second;
    const bool wanted = channel.wants_connection();
    if (wanted && open >= options_.max_connections && MakeRoom()) --open;
    const bool held = channel.holds_connection();
    channel.Advance(now, open < options_.max_connections);
    open += channel.holds_connection();
    open -= held;
    if (!channel.empty()) {
      ++at;
      continue;
    }
    tags_by_key_.erase(channel.key());
    at = channels_.erase(at);
  }
}

void LibpqBranchRunner::AdvanceCancellers(TimePoint now) {
  for (auto at = cancellers_.begin(); at != cancellers_.end();) {
    at->second.Advance(now);
    at = at->second.done() ? cancellers_.erase(at) : std::next(at);
  }
}

// Closes a connection that is kept but not needed.
bool LibpqBranchRunner::MakeRoom() {
  for (auto &[tag, channel] : channels_) {
    if (!channel.idle()) continue;
    channel.CloseIdle();
    return true;
  }
  return false;
}

std::vector<BranchEvent> LibpqBranchRunner::TakeEvents() {
  return std::exchange(events_, {});
}

size_t LibpqBranchRunner::connections() const {
  return static_cast<size_t>(std::count_if(channels_.begin(), channels_.end(), [](const auto &one) {
    return one.second.holds_connection();
  }));
}

void LibpqBranchRunner::Abandon(std::unique_ptr<Connection> connection, ConnectionTarget target) {
  const uint64_t tag = ++last_tag_;
  cancellers_.try_emplace(tag, epoll_, tag, resolver_, options_, std::move(connection),
                          std::move(target), std::chrono::steady_clock::now());
}

}  // namespace agent_branch
