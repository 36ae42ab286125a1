// The core's store in the tables of the schema agent_branch.
//
// Each function is one transaction, which first makes sure that the extension is still the one that
// the worker began with: otherwise it raises ExtensionGone, and the worker's world is over. Other
// errors come back as a Status, with the transaction rolled back.
#pragma once

#include <functional>

#include "worker/core/fixer/fix_store.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

class Transaction;

struct ExtensionGone {};

// The oid of the extension in this database, 0 if it is not there.
unsigned int FindExtension();

class PostgresStore : public Store, public FixStore {
 public:
  explicit PostgresStore(unsigned int extension) : extension_(extension) {}

  Result<StoreSnapshot> Load() override;
  Result<Intake> ReadRequests() override;
  Result<std::string> MigrationSql(int64_t migration_id, int attempt) override;
  Result<std::optional<Script>> MigrationScript(int64_t migration_id, int attempt) override;
  Result<std::string> SnapshotObjects(const std::string &fingerprint) override;
  Result<int64_t> CreateSweep() override;
  Status Commit(const Batch &batch) override;

  int64_t LastFixCallId() override;
  Result<FixHistory> ReadFixHistory(int64_t migration_id) override;
  Result<std::vector<RememberedFix>> RememberedFixes(int64_t project_id,
                                                     const std::string &signature) override;
  Result<std::optional<std::string>> CallFixFunction(const FixHistory &history,
                                                     const std::string &function) override;

 private:
  Status InTransaction(const std::function<void(Transaction &)> &body);

  unsigned int extension_;
};

}  // namespace agent_branch
