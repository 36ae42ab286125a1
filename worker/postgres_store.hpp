// The core's store in the tables of the schema agent_branch.
//
// Each function is one transaction, which first makes sure that the extension is still the one that
// the worker began with: otherwise it raises ExtensionGone, and the worker's world is over. Other
// errors come back as a Status, with the transaction rolled back.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "worker/core/fixer/fix_store.hpp"
#include "worker/core/state/owner_of.hpp"
#include "worker/core/state/store.hpp"
#include "worker/core/upkeep/provision_store.hpp"

namespace agent_branch {

class Transaction;

struct ExtensionGone {};

// The oid of the extension in this database, 0 if it is not there.
unsigned int FindExtension();

class PostgresStore : public Store, public FixStore, public ProvisionStore {
 public:
  explicit PostgresStore(unsigned int extension) : extension_(extension) {}

  Result<StoreSnapshot> Load() override;
  Result<Intake> ReadRequests() override;
  Result<std::string> MigrationSql(int64_t migration_id, int attempt) override;
  Result<std::optional<Script>> MigrationScript(int64_t migration_id, int attempt) override;
  Result<std::string> SnapshotObjects(const std::string &fingerprint) override;
  Result<std::vector<AppliedMigration>> AppliedMigrations(int64_t session_id) override;
  Result<ForkRow> Fork(int64_t session_id) override;
  Result<std::optional<UndoPointRow>> UndoPoint(int64_t merge_id) override;
  Result<std::vector<DoneReplay>> ReplaysSince(int64_t project_id,
                                               const std::string &parent_reset_at,
                                               const std::string &transaction_id) override;
  Result<int64_t> CreateSweep() override;
  Status Commit(const Batch &batch) override;

  // For a batch that cannot be committed as a whole: commits what can be, owner by owner. Returns
  // whose changes were left out and why; the reason stands in agent_sessions.error.
  using Refused = std::map<Owner, Status>;
  Result<Refused> CommitApart(const Batch &batch);
  // Rows of projects and sessions that were left out when they were last read, and why.
  const std::vector<Status> &unreadable() const { return unreadable_; }
  // A project can be read again that could not: everything is to be loaded anew.
  bool mended() const { return mended_; }

  int64_t LastFixCallId() override;
  Result<FixHistory> ReadFixHistory(int64_t migration_id) override;
  Result<std::vector<RememberedFix>> RememberedFixes(int64_t project_id,
                                                     const std::string &signature) override;
  Result<HelperTask> FixFunctionCall(const FixHistory &history,
                                     const std::string &function) override;

  Result<std::vector<ProvisionRow>> Provisions() override;
  Status IntendProvision(const ProvisionRow &row) override;
  Status RecordProvision(const ProvisionRow &row, const std::string &outcome,
                         const std::string &request_id) override;
  Status ShowProvision(int64_t id, const std::string &error) override;
  Status RegisterProvision(const ProvisionRow &row) override;

 private:
  Status InTransaction(const std::function<void(Transaction &)> &body);

  // Projects, then sessions: rows that cannot be read are left out, and their error is shown.
  std::vector<ProjectRow> ReadProjects(Transaction &transaction, const std::string &condition);
  std::vector<SessionRow> ReadSessions(Transaction &transaction, const std::string &condition);
  void LeaveOut(Transaction &transaction, const Owner &owner, const Status &why);
  bool IsLeftOut(int64_t session_id, int64_t project_id) const;

  unsigned int extension_;
  std::set<int64_t> unreadable_projects_;
  std::set<int64_t> unreadable_sessions_;
  std::vector<Status> unreadable_;
  bool mended_ = false;
};

}  // namespace agent_branch
