#include "worker/core/session/wait_reasons.hpp"

#include <utility>

namespace agent_branch {
namespace {

constexpr milliseconds kWorthTelling{1'000};

}  // namespace

void WaitReasons::OnSuspended(Actor &actor) {
  const auto *session = dynamic_cast<const Session *>(&actor);
  if (session == nullptr) return;
  waits_.push_back({clock_->Now() + kWorthTelling, session->row.id, actor.wait_number()});
}

void WaitReasons::OnResumed(Actor &actor) {
  if (told_.empty()) return;
  const auto *session = dynamic_cast<const Session *>(&actor);
  if (session == nullptr || told_.erase(session->row.id) == 0) return;
  journal_->Add(WaitRow{session->row.id, {}});
}

void WaitReasons::Advance() {
  const Instant now = clock_->Now();
  while (!waits_.empty()) {
    const Wait wait = waits_.front();
    const Session *session = inventory_->FindSession(wait.session_id);
    const bool lasts =
        session != nullptr && session->wait() != nullptr && session->wait_number() == wait.number;
    if (lasts && wait.worth_telling_at > now) break;
    waits_.pop_front();
    if (!lasts) continue;
    std::string what = session->wait()->What();
    if (what.empty()) continue;
    journal_->Add(WaitRow{wait.session_id, what});
    told_[wait.session_id] = std::move(what);
  }
  // What a call waits for changes while it waits; looked at when something happens anyway.
  if (told_.empty() || now < told_looked_at_ + kWorthTelling) return;
  told_looked_at_ = now;
  for (auto &[id, told] : told_) {
    const Session *session = inventory_->FindSession(id);
    if (session == nullptr || session->wait() == nullptr) continue;
    std::string what = session->wait()->What();
    if (what.empty() || what == told) continue;
    journal_->Add(WaitRow{id, what});
    told = std::move(what);
  }
}

std::optional<Instant> WaitReasons::NextDeadline() const {
  if (waits_.empty()) return std::nullopt;
  return waits_.front().worth_telling_at;
}

}  // namespace agent_branch
