#include "worker/event_loop.hpp"

#include <malloc.h>

#include <algorithm>

#include "worker/settings_reader.hpp"

#include "postgres/wait_events.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

constexpr BackoffPolicy kStoreBackoff{milliseconds(100), milliseconds(10'000)};

// libcurl and libpq count on std::chrono's own clock, as SystemClock does.
Instant ToInstant(std::chrono::steady_clock::time_point when) {
  return std::chrono::ceil<Instant>(when.time_since_epoch());
}

std::string Describe(const Status &status) {
  std::string text = status.message();
  if (!status.detail().empty()) text += ": " + status.detail();
  return text;
}

}  // namespace

EventLoop::EventLoop(unsigned int extension) : store_(extension) {}

void EventLoop::Open() {
  settings_ = ReadSettings();
  HttpClientOptions options;
  // Those of the API, and the few of the fixer's model, which must not wait for each other.
  options.max_exchanges = 72;
  options.max_connections = 72;
  options.user_agent = "agent_branch/" AGENT_BRANCH_VERSION;
  Result<std::unique_ptr<HttpClient>> client = HttpClient::Create(options);
  if (!client.ok()) RaiseStatus(client.status());
  http_ = std::move(client.value());
  resolver_ = std::make_unique<CurlHostResolver>(http_.get());
  branches_ = std::make_unique<LibpqBranchRunner>(resolver_.get());
  ApplyNetworkSettings();
  // Before the rows are read: what commits after this is noticed as a wake.
  wakes_seen_ = WakesOfThisWorker();
  Result<StoreSnapshot> snapshot = store_.Load();
  if (!snapshot.ok()) RaiseStatus(snapshot.status());
  ShowUnreadable();
  call_log_.Know(snapshot.value().projects, snapshot.value().sessions);
  engine_ = std::make_unique<Engine>(
      Engine::Services{http_.get(), branches_.get(), &store_, &keys_, &budgets_, &scripts_, &clock_,
                       &random_, &settings_, &store_, &helpers_, &trees_, &store_, &call_log_},
      snapshot.value());
  events_ = CallPg([http = http_->descriptor(), branches = branches_->descriptor()] {
    WaitEventSet *set = CreateProcessWaitEventSet(4);
    AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
    AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
    AddWaitEventToSet(set, WL_SOCKET_READABLE, http, nullptr, nullptr);
    if (branches >= 0) AddWaitEventToSet(set, WL_SOCKET_READABLE, branches, nullptr, nullptr);
    return set;
  });
}

void EventLoop::ApplyNetworkSettings() {
  const std::string ca_file = CaFile();
  http_->UseCaFile(ca_file);
  http_->UseProxy(HttpsProxy());
  branches_->UseCaFile(ca_file);
}

void EventLoop::Run() {
  Open();
  for (;;) {
    bool reloaded = CallPg([] {
      // In this order: a wake-up that comes after the reset is seen by the next sleep.
      ResetLatch(MyLatch);
      CHECK_FOR_INTERRUPTS();
      if (!ConfigReloadPending) return false;
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
      return true;
    });
    if (reloaded) {
      settings_ = ReadSettings();
      ApplyNetworkSettings();
      engine_->Reconfigure();
    }
    TakeEvents();
    TakeRequests();
    Turn();
    helpers_.Advance();  // what this turn asked for
    if ((reload_ || engine_->ReloadWanted()) && !engine_->HasBatch()) return;
    Publish();
    Sleep();
  }
}

void EventLoop::TakeEvents() {
  http_->Advance();
  resolver_->Deliver();
  for (const HttpCompletion &completion : http_->TakeCompletions())
    engine_->OnHttp(completion);
  branches_->Advance();
  for (const BranchEvent &event : branches_->TakeEvents())
    engine_->OnBranch(event);
  helpers_.Advance();
  for (const HelperEvent &event : helpers_.TakeEvents())
    engine_->OnHelper(event);
}

void EventLoop::TakeRequests() {
  const Wakes wakes = WakesOfThisWorker();
  requests_due_ = requests_due_ || wakes.all != wakes_seen_.all;
  // What locked the tables, while an extension was updated or about to be dropped, is over.
  if (wakes.of_extensions != wakes_seen_.of_extensions) store_allowed_at_ = Instant(0);
  wakes_seen_ = wakes;
  if (!requests_due_ || clock_.Now() < store_allowed_at_) return;
  Result<Intake> intake = store_.ReadRequests();
  if (!intake.ok()) {
    ++store_failures_;
    store_allowed_at_ = clock_.Now() + BackoffDelay(kStoreBackoff, store_failures_, random_);
    LogMessage(LOG, "agent_branch: could not read requests: " + Describe(intake.status()));
    PublishError(intake.status().message());
    return;
  }
  requests_due_ = false;
  ShowUnreadable();
  if (store_.mended()) {
    reload_ = true;
    return;
  }
  call_log_.Know(intake.value().projects, intake.value().sessions);
  engine_->OnRequests(intake.value());
}

void EventLoop::ShowUnreadable() {
  for (const Status &why : store_.unreadable()) {
    LogMessage(LOG, "agent_branch: " + Describe(why));
    PublishError(why.message());
  }
}

void EventLoop::Turn() {
  // Each commit may let something move that writes again; a bounded number of times, so that events
  // are looked at in between.
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    engine_->Advance();
    if (engine_->HasBatch() && !CommitBatch()) return;
    if (!engine_->HasWork()) return;
  }
  CallPg([] { SetLatch(MyLatch); });
}

Status EventLoop::WriteBatch(PostgresStore::Refused *refused) {
  const Batch &batch = engine_->batch();
  if (batch.mutations.empty()) return {};
  Status status = store_.Commit(batch);
  if (status.ok() || !IsOfItsData(status, store_failures_)) return status;
  Result<PostgresStore::Refused> apart = store_.CommitApart(batch);
  if (!apart.ok()) return apart.status();
  *refused = std::move(apart.value());
  return {};
}

bool EventLoop::CommitBatch() {
  if (clock_.Now() < store_allowed_at_) return false;
  PostgresStore::Refused refused;
  Status status = WriteBatch(&refused);
  if (!status.ok()) {
    // Nothing is lost: the batch stays, and nothing that waits for it is sent.
    ++store_failures_;
    store_allowed_at_ = clock_.Now() + BackoffDelay(kStoreBackoff, store_failures_, random_);
    LogMessage(LOG, "agent_branch: could not record what happened: " + Describe(status));
    PublishError(status.message());
    return false;
  }
  store_failures_ = 0;
  store_allowed_at_ = Instant(0);
  std::set<int64_t> touched = engine_->touched();
  std::set<Owner> set_aside;
  for (const auto &[owner, why] : refused)
    set_aside.insert(owner);
  call_log_.Tell(engine_->batch(), set_aside);
  engine_->Committed(set_aside);
  for (const auto &[owner, why] : refused) {
    LogMessage(LOG, "agent_branch: what happened to " +
                        (owner.session_id != 0 ? "session " + std::to_string(owner.session_id)
                                               : "project " + std::to_string(owner.project_id)) +
                        " cannot be recorded: " + Describe(why));
    PublishError(why.message());
    engine_->SetAside(owner, why);
  }
  bool of_projects = touched.erase(0) > 0;
  if (of_projects) {
    BroadcastAllSessions();
  } else {
    for (int64_t id : touched)
      BroadcastSession(id);
  }
  return true;
}

void EventLoop::Publish() {
  Engine::Load load = engine_->CurrentLoad();
  if (std::optional<WorkerSlot> slot = FindWorkerSlot(MyDatabaseId)) numbers_ = slot->numbers;
  numbers_.sessions = static_cast<int32_t>(load.sessions);
  numbers_.waiting = static_cast<int32_t>(load.waiting);
  numbers_.calls_waiting = static_cast<int32_t>(load.calls_waiting);
  numbers_.calls_under_way = static_cast<int32_t>(load.calls_under_way);
  numbers_.calls_total = load.calls_total;
  numbers_.call_budget = load.call_budget;
  PublishNumbers(numbers_);
  call_log_.Publish();
}

long EventLoop::Timeout() const {
  std::optional<Instant> next = engine_->NextDeadline();
  auto consider = [&next](std::optional<Instant> when) {
    if (when && (!next || *when < *next)) next = when;
  };
  if (auto when = http_->NextDeadline()) consider(ToInstant(*when));
  if (auto when = branches_->NextDeadline()) consider(ToInstant(*when));
  consider(helpers_.NextDeadline());
  bool store_waits = engine_->HasBatch() || requests_due_;
  if (store_waits) consider(store_allowed_at_);
  if (!next) return -1;
  int64_t wait = (*next - clock_.Now()).count();
  constexpr int64_t kLongest = 24 * 3600 * 1000;  // WaitEventSetWait() takes an int's worth
  return static_cast<long>(std::clamp<int64_t>(wait, 0, kLongest));
}

void EventLoop::GiveBackMemory() {
  // Much of what a burst of sessions used lies free between what the resting ones keep, where
  // malloc leaves it to the process: 12 of 30 MB after a thousand sessions.
  constexpr int kTurns = 50;
  if (turns_ < kTurns) return;
  turns_ = 0;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void EventLoop::Sleep() {
  long timeout = Timeout();
  constexpr long kRest = 1000;  // milliseconds: nobody waits for this turn to end
  ++turns_;
  if (timeout < 0 || timeout > kRest) GiveBackMemory();
  CallPg([this, timeout] {
    if (timeout != 0) {
      pgstat_report_stat(true);
      pgstat_report_activity(STATE_IDLE, nullptr);
    }
    // A wait for a heavyweight lock resets the latch (ProcSleep() in PostgreSQL's proc.c), and what
    // it was set for meanwhile would not be read before somebody sets it again.
    const bool is_woken = WakesOfThisWorker().all != wakes_seen_.all;
    WaitEvent occurred[4];
    WaitEventSetWait(events_, is_woken ? 0 : timeout, occurred, lengthof(occurred),
                     WaitEventOfWorker());
    pgstat_report_activity(STATE_RUNNING, "agent_branch");
  });
}

}  // namespace agent_branch
