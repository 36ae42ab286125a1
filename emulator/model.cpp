#include "emulator/model.hpp"

#include <algorithm>

namespace agent_branch::emulator {
namespace {

// Neon forgets operations after six months; a load test makes as many in an hour.
constexpr size_t kOperationsKept = 100'000;

bool IsUp(const Endpoint &endpoint) {
  return endpoint.current_state == "active" || endpoint.pending_state == "active";
}

}  // namespace

Role *Branch::FindRole(const std::string &role_name) {
  for (Role &role : roles) {
    if (role.name == role_name) return &role;
  }
  return nullptr;
}

Database *Branch::FindDatabase(const std::string &database_name) {
  for (Database &database : databases) {
    if (database.name == database_name) return &database;
  }
  return nullptr;
}

Branch &Project::AddBranch(Branch branch) {
  std::string branch_id = branch.id;
  std::string parent_id = branch.parent_id;
  branch.children = 0;
  branch.endpoint_ids.clear();
  branch.parent_id.clear();
  names_.insert(branch.name);
  Branch &added = branches_.emplace(branch_id, std::move(branch)).first->second;
  ++roots_;
  SetParent(added, parent_id);
  return added;
}

void Project::EraseBranch(const std::string &branch_id) {
  auto found = branches_.find(branch_id);
  if (found == branches_.end()) return;
  SetParent(found->second, "");
  --roots_;
  names_.erase(found->second.name);
  branches_.erase(found);
}

void Project::RenameBranch(Branch &branch, const std::string &new_name) {
  names_.erase(branch.name);
  branch.name = new_name;
  names_.insert(new_name);
}

void Project::SetParent(Branch &branch, const std::string &parent_id) {
  if (Branch *before = FindAnyBranch(branch.parent_id)) --before->children;
  if (branch.parent_id.empty()) --roots_;
  branch.parent_id = parent_id;
  if (Branch *after = FindAnyBranch(parent_id)) ++after->children;
  if (parent_id.empty()) ++roots_;
}

Branch *Project::FindBranch(const std::string &branch_id) {
  Branch *branch = FindAnyBranch(branch_id);
  return branch == nullptr || branch->is_deleting ? nullptr : branch;
}

Branch *Project::FindAnyBranch(const std::string &branch_id) {
  auto found = branches_.find(branch_id);
  return found == branches_.end() ? nullptr : &found->second;
}

Branch &Project::DefaultBranch() {
  return branches_.at(default_id_);
}

void Project::SetDefaultBranch(Branch &branch) {
  if (Branch *before = FindAnyBranch(default_id_)) before->is_default = false;
  branch.is_default = true;
  default_id_ = branch.id;
}

size_t Project::CountProtected() const {
  return std::count_if(branches_.begin(), branches_.end(),
                       [](const auto &entry) { return entry.second.is_protected; });
}

Endpoint &Project::AddEndpoint(Endpoint endpoint) {
  std::string endpoint_id = endpoint.id;
  if (Branch *branch = FindAnyBranch(endpoint.branch_id)) {
    branch->endpoint_ids.push_back(endpoint_id);
  }
  return endpoints_.emplace(endpoint_id, std::move(endpoint)).first->second;
}

void Project::EraseEndpoint(const std::string &endpoint_id) {
  auto found = endpoints_.find(endpoint_id);
  if (found == endpoints_.end()) return;
  if (IsUp(found->second)) --computes_up_;
  if (Branch *branch = FindAnyBranch(found->second.branch_id)) {
    auto &ids = branch->endpoint_ids;
    ids.erase(std::remove(ids.begin(), ids.end(), endpoint_id), ids.end());
  }
  endpoints_.erase(found);
}

Endpoint *Project::FindEndpoint(const std::string &endpoint_id) {
  auto found = endpoints_.find(endpoint_id);
  return found == endpoints_.end() ? nullptr : &found->second;
}

Endpoint *Project::FindReadWriteEndpoint(const Branch &branch) {
  for (const std::string &endpoint_id : branch.endpoint_ids) {
    Endpoint *endpoint = FindEndpoint(endpoint_id);
    if (endpoint != nullptr && endpoint->type == "read_write") return endpoint;
  }
  return nullptr;
}

void Project::SetState(Endpoint &endpoint, const std::string &current, const std::string &pending) {
  if (IsUp(endpoint)) --computes_up_;
  endpoint.current_state = current;
  endpoint.pending_state = pending;
  if (IsUp(endpoint)) ++computes_up_;
}

size_t Project::CountActiveComputes() {
  size_t count = computes_up_;
  for (const std::string &endpoint_id : DefaultBranch().endpoint_ids) {
    if (IsUp(*FindEndpoint(endpoint_id))) --count;
  }
  return count;
}

void Project::AddOperation(OperationPtr operation) {
  running_.insert(operation);
  operations_by_id_[operation->id] = operation;
  operations_.push_back(std::move(operation));
  while (operations_.size() > kOperationsKept && running_.count(operations_.front()) == 0) {
    operations_by_id_.erase(operations_.front()->id);
    operations_.pop_front();
  }
}

void Project::EndOperation(const OperationPtr &operation) {
  running_.erase(operation);
}

OperationPtr Project::FindOperation(const std::string &operation_id) {
  auto found = operations_by_id_.find(operation_id);
  return found == operations_by_id_.end() ? nullptr : found->second;
}

}  // namespace agent_branch::emulator
