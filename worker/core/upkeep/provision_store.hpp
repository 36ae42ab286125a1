// What agent_project_create() asked for, and its journal: one row a project that is being made.
//
// Each function is a transaction of its own, committed when it returns: what is about to be sent is
// in the table before it is, as a step of a session is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "worker/core/base/status.hpp"

namespace agent_branch {

struct ProvisionRow {
  int64_t id = 0;
  std::string name;  // as it is called at Neon
  std::string mark;  // in the annotation of its first branch: what proves the project ours
  std::string production;
  std::string parent;  // the branch that sessions fork from
  std::string database;
  std::string role;
  std::string region;        // empty: Neon's choice, here and below
  std::string organization;  // its id
  std::string api_key_file;
  int postgres_version = 0;  // 0: Neon's choice
  double min_cu = 0.25;
  double max_cu = 1;
  std::string neon_id;  // empty: the project is to be made; else the parent branch is
  // A request was about to be sent, and what became of it is not known.
  bool asked = false;
};

class ProvisionStore {
 public:
  virtual ~ProvisionStore() = default;
  // Those of this installation.
  virtual Result<std::vector<ProvisionRow>> Provisions() = 0;
  // 02000 when the row is gone: somebody has given the project up.
  virtual Status IntendProvision(const ProvisionRow &row) = 0;
  // Closes what was intended, and keeps the row's neon_id. outcome: for people.
  virtual Status RecordProvision(const ProvisionRow &row, const std::string &outcome,
                                 const std::string &request_id) = 0;
  // What is in the way, for people; empty: nothing.
  virtual Status ShowProvision(int64_t id, const std::string &error) = 0;
  // Everything is there: registers the project, and asks the worker to take it up.
  virtual Status RegisterProvision(const ProvisionRow &row) = 0;
};

}  // namespace agent_branch
