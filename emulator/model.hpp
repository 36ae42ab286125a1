// What the emulator knows: projects, and in each its branches, endpoints and operations.
//
// Pure data with the bookkeeping that keeps it consistent (names, child counts, limits); no I/O and
// no clock. Everything is read and written on the event loop's thread only. References to branches
// and endpoints stay valid until that branch or endpoint is erased.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/clock.hpp"

namespace agent_branch::emulator {

struct Role {
  std::string name;
  std::string password;
  Microseconds created_at = 0;
  Microseconds updated_at = 0;
};

struct Database {
  int64_t id = 0;
  std::string name;
  std::string owner_name;
  Microseconds created_at = 0;
  Microseconds updated_at = 0;
};

struct Branch {
  std::string id;
  std::string name;
  std::string parent_id;  // empty: a root
  std::string parent_lsn;
  std::optional<Microseconds> parent_timestamp;
  std::string current_state = "init";  // init, ready, resetting
  std::string pending_state;           // empty: none
  Microseconds state_changed_at = 0;
  bool is_default = false;
  bool is_protected = false;
  bool is_pinned = false;  // the project's first root, or a root's backup: never deletable
  std::string init_source = "parent-data";
  Microseconds created_at = 0;
  Microseconds updated_at = 0;
  std::optional<Microseconds> expires_at;
  int64_t ttl_seconds = 0;
  std::optional<Microseconds> last_reset_at;
  std::map<std::string, std::string> annotation;
  std::vector<Role> roles;
  std::vector<Database> databases;
  std::string timeline;      // the engine's name for this branch's data
  bool is_deleting = false;  // answered with 404 already, but name and slot are still taken
  int hidden_gets = 0;       // fault get_404_once
  size_t children = 0;       // kept by Project
  std::vector<std::string> endpoint_ids;  // kept by Project

  Role *FindRole(const std::string &role_name);
  Database *FindDatabase(const std::string &database_name);
};

struct Endpoint {
  std::string id;
  std::string branch_id;
  std::string name;
  std::string type = "read_write";
  std::string host;  // host[:port]
  std::string pooler_host;
  double min_cu = 0.25;
  double max_cu = 0.25;
  int64_t suspend_timeout_seconds = 0;
  std::string provisioner = "k8s-neonvm";
  std::string settings = "{}";  // JSON text
  bool disabled = false;
  bool passwordless_access = true;
  std::string current_state = "init";  // init, active, idle
  std::string pending_state;
  bool is_deleting = false;  // goes once it is suspended
  Microseconds created_at = 0;
  Microseconds updated_at = 0;
  std::optional<Microseconds> started_at;
  std::optional<Microseconds> suspended_at;
};

struct Operation {
  int64_t number = 0;  // ascending in the order of creation
  std::string id;
  std::string project_id;
  std::string branch_id;
  std::string endpoint_id;
  std::string other_branch_id;  // a restore's source: locked as well in lock mode "branch"
  std::string action;
  std::string status = "scheduling";
  std::string error;
  int failures_count = 0;
  Microseconds created_at = 0;
  Microseconds updated_at = 0;
  std::chrono::steady_clock::time_point started;
  int64_t total_duration_ms = 0;
};

using OperationPtr = std::shared_ptr<Operation>;

class Project {
 public:
  std::string id;
  std::string name;
  Microseconds created_at = 0;
  Microseconds updated_at = 0;
  int64_t history_retention_seconds = 86400;
  int pg_version = 15;

  Branch &AddBranch(Branch branch);
  void EraseBranch(const std::string &branch_id);  // its endpoints must be gone
  void RenameBranch(Branch &branch, const std::string &new_name);
  void SetParent(Branch &branch, const std::string &parent_id);
  Branch *FindBranch(const std::string &branch_id);     // visible to clients
  Branch *FindAnyBranch(const std::string &branch_id);  // those being deleted too
  Branch &DefaultBranch();                              // there always is one: it cannot be deleted
  void SetDefaultBranch(Branch &branch);
  bool NameTaken(const std::string &branch_name) const { return names_.count(branch_name) > 0; }
  std::unordered_map<std::string, Branch> &branches() { return branches_; }
  size_t CountRoots() const { return roots_; }
  size_t CountProtected() const;

  Endpoint &AddEndpoint(Endpoint endpoint);
  void EraseEndpoint(const std::string &endpoint_id);
  Endpoint *FindEndpoint(const std::string &endpoint_id);
  Endpoint *FindReadWriteEndpoint(const Branch &branch);
  std::unordered_map<std::string, Endpoint> &endpoints() { return endpoints_; }
  // An empty pending state: none. Only this changes an endpoint's states.
  void SetState(Endpoint &endpoint, const std::string &current, const std::string &pending);
  // Computes that count to the limit of concurrently active ones: the default branch's does not.
  size_t CountActiveComputes();

  void AddOperation(OperationPtr operation);
  void EndOperation(const OperationPtr &operation);
  OperationPtr FindOperation(const std::string &operation_id);
  const std::deque<OperationPtr> &operations() const { return operations_; }  // oldest first
  const std::set<OperationPtr> &running() const { return running_; }

 private:
  std::unordered_map<std::string, Branch> branches_;
  std::unordered_map<std::string, Endpoint> endpoints_;
  std::set<std::string> names_;
  size_t roots_ = 0;
  std::string default_id_;
  size_t computes_up_ = 0;
  std::deque<OperationPtr> operations_;
  std::unordered_map<std::string, OperationPtr> operations_by_id_;
  std::set<OperationPtr> running_;
};

}  // namespace agent_branch::emulator
