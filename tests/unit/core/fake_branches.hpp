// A branch runner whose databases are FakeNeon's: a migration is applied by adding its text to the
// branch's data, and a schema's fingerprint is that data.
//
// A text that begins with "FAIL" is rejected; one that begins with "READ" writes nothing, and so do
// the worker's own ("DO $agent_branch$"); one that begins with "HANG UP" ends its connection. What
// runs alone is an index, of which half is left when it fails. Each text inserts a row into the
// table public.log, or what `records` says of it.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/core/fake_neon.hpp"
#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

class FakeBranches : public BranchRunner {
 public:
  explicit FakeBranches(FakeNeon *neon) : neon_(neon) {}

  void Start(BranchTask task) override;
  void Commit(uint64_t id) override;
  void Cancel(uint64_t id) override;
  void Close(const std::string &connection_key) override { closed.push_back(connection_key); }

  std::vector<BranchEvent> TakeEvents() { return std::exchange(events_, {}); }
  bool idle() const { return events_.empty(); }
  // The client is gone: what is not committed is rolled back.
  void HangUp();

  std::vector<BranchTask> started;
  std::vector<std::string> closed;
  std::deque<BranchOutcome> next_outcomes;  // of the next tasks, instead of what they would come to
  std::string snapshot;         // what a description tells of it besides; empty: nothing
  int lose_commit_answers = 0;  // the next so many commits are done, and not answered
  int lose_commits = 0;         // the next so many are neither done nor answered
  int fail_alone = 0;           // the next so many that run alone are rejected
  int running_looks = 0;        // the next so many looks find the statement at work
  std::map<std::string, std::string> indexes;  // by name, to "there" or "half"
  std::string risks = "[]";                    // the answer to questions about risks
  std::map<std::string, std::string> records;  // by text, what it does to rows: a JSON object
  std::set<std::string> fail_on;               // ids of branches on which texts are rejected
  std::string fail_with = "42P01";             // as which error
  bool hold_migrations = false;                // they run, and do not come to their end
  bool versions_are_told = false;              // of the catalogs; else nobody knows them
  bool hold_descriptions = false;            // fingerprints are begun, and do not come to their end
  std::map<std::string, std::string> gates;  // by query, the answer; others hold
  std::map<std::string, TransactionFate> fates;  // by transaction id
  std::deque<TransactionFate> next_fates;        // what is told before the truth
  std::deque<std::string> role_refusals;         // with which SQLSTATEs the next roles are not made
  bool refuse_logins = false;                    // of roles that were made
  std::string acts_as = "owner";                 // whose rights those have

 private:
  struct Open {
    std::string branch_id;
    std::vector<std::string> texts;
    std::string transaction_id;
  };
  void RunMigration(const BranchTask &task, const std::string &branch_id, const FakeBranch &branch);
  std::string Record(const std::vector<std::string> &texts) const;
  static std::string Standpoint(const FakeBranch &branch);
  static std::string Unrecorded(const FakeBranch &branch);
  void Finish(uint64_t id, BranchOutcome outcome);
  void RunAlone(const BranchTask &task, FakeBranch &branch);
  std::string LookAlone(const BranchTask &task);
  void MakeRole(const BranchTask &task, FakeBranch &branch, BranchEvent *event);
  void TellWho(const BranchTask &task, const FakeBranch &branch, BranchEvent *event);
  void Describe(const FakeBranch &branch, BranchEvent *event) const;

  FakeNeon *neon_;
  std::map<uint64_t, Open> open_;
  std::vector<BranchEvent> events_;
  int next_transaction_ = 700;
};

}  // namespace agent_branch
