// Bugs on purpose: what a subclass breaks between the core and the models, the simulation has to
// find.
#pragma once

#include <optional>

#include "tests/simulation/chance.hpp"
#include "worker/core/neon/http_message.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch::simulation {

class Sabotage {
 public:
  virtual ~Sabotage() = default;
  virtual void OnLoad(StoreSnapshot &) {}
  virtual void OnCommit(Batch &) {}
  virtual void OnSend(uint64_t /* id */, const HttpRequest &) {}
  // A request: it is sent in place of telling the core of this answer.
  virtual std::optional<HttpRequest> OnAnswer(HttpCompletion &) { return std::nullopt; }
  virtual bool LosesWake(Chance &) { return false; }
};

class StoreTap : public Store {
 public:
  StoreTap(Store *store, Sabotage *sabotage) : store_(store), sabotage_(sabotage) {}

  Result<StoreSnapshot> Load() override {
    Result<StoreSnapshot> snapshot = store_->Load();
    sabotage_->OnLoad(snapshot.value());
    return snapshot;
  }
  Result<Intake> ReadRequests() override { return store_->ReadRequests(); }
  Result<std::string> MigrationSql(int64_t id, int attempt) override {
    return store_->MigrationSql(id, attempt);
  }
  Result<std::optional<Script>> MigrationScript(int64_t id, int attempt) override {
    return store_->MigrationScript(id, attempt);
  }
  Result<std::string> SnapshotObjects(const std::string &fingerprint) override {
    return store_->SnapshotObjects(fingerprint);
  }
  Result<std::vector<AppliedMigration>> AppliedMigrations(int64_t session_id) override {
    return store_->AppliedMigrations(session_id);
  }
  Result<ForkRow> Fork(int64_t session_id) override { return store_->Fork(session_id); }
  Result<std::optional<UndoPointRow>> UndoPoint(int64_t merge_id) override {
    return store_->UndoPoint(merge_id);
  }
  Result<std::vector<DoneReplay>> ReplaysSince(int64_t project_id,
                                               const std::string &parent_reset_at,
                                               const std::string &transaction_id) override {
    return store_->ReplaysSince(project_id, parent_reset_at, transaction_id);
  }
  Result<int64_t> CreateSweep() override { return store_->CreateSweep(); }
  Status Commit(const Batch &batch) override {
    Batch changed = batch;
    sabotage_->OnCommit(changed);
    return store_->Commit(changed);
  }

 private:
  Store *store_;
  Sabotage *sabotage_;
};

class TransportTap : public HttpTransport {
 public:
  TransportTap(HttpTransport *transport, Sabotage *sabotage)
      : transport_(transport), sabotage_(sabotage) {}

  void Send(uint64_t id, HttpRequest request) override {
    sabotage_->OnSend(id, request);
    transport_->Send(id, std::move(request));
  }
  void Cancel(uint64_t id) override { transport_->Cancel(id); }

 private:
  HttpTransport *transport_;
  Sabotage *sabotage_;
};

// None of it: what the core gets when nothing is planted.
inline Sabotage no_sabotage;

}  // namespace agent_branch::simulation
