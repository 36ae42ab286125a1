#include "tests/simulation/model_neon.hpp"

#include <algorithm>
#include <cstdio>

#include "tests/simulation/trials.hpp"

namespace agent_branch::simulation {

ModelBranch *ModelProject::Find(const std::string &branch_id) {
  auto found = branches.find(branch_id);
  return found == branches.end() ? nullptr : &found->second;
}

ModelBranch *ModelProject::FindByName(const std::string &name) {
  for (auto &[id, branch] : branches) {
    if (branch.name == name) return &branch;
  }
  return nullptr;
}

bool ModelProject::HasChildren(const std::string &branch_id) const {
  return std::any_of(branches.begin(), branches.end(),
                     [&](const auto &other) { return other.second.parent_id == branch_id; });
}

ModelProject &ModelNeon::AddProject(const std::string &id, const std::string &key) {
  ModelProject &project = projects[id];
  project.id = id;
  project.key = key;
  ModelBranch &root = AddBranch(project, "main", "", ModelBranch::Maker::kSetup);
  root.is_default = true;
  AddBranch(project, "dev", root.id, ModelBranch::Maker::kSetup);
  return project;
}

ModelBranch &ModelNeon::AddBranch(ModelProject &project, const std::string &name,
                                  const std::string &parent_id, ModelBranch::Maker maker) {
  char id[32];
  snprintf(id, sizeof id, "br-model-branch-%05d", static_cast<int>(next_id_++));
  ModelBranch &branch = project.branches[id];
  branch.id = id;
  branch.name = name;
  branch.parent_id = parent_id;
  branch.maker = maker;
  branch.created_at = clock_->TrueUnixTime();
  Touch(branch);
  if (const ModelBranch *parent = project.Find(parent_id)) branch.content = parent->content;
  branch.at_fork = branch.content;
  bool foreign = maker == ModelBranch::Maker::kOthers || name == "main";
  if (foreign) foreign_.push_back({project.id, branch.id, branch.name, branch.content});
  return branch;
}

ModelOperation &ModelNeon::AddOperation(ModelProject &project, const std::string &branch_id,
                                        const std::string &action, milliseconds duration) {
  // What one request schedules runs one after the other.
  Instant begins = clock_->Now();
  if (!project.running.empty() && !project.operations_stuck) {
    begins = std::max(begins, project.operations[project.running.back()].ends_at);
  }
  ModelOperation operation;
  operation.id = "op-" + std::to_string(next_id_++);
  operation.branch_id = branch_id;
  operation.action = action;
  operation.made_at = clock_->Now();
  operation.ends_at = project.operations_stuck ? Instant::max() : begins + Paced(duration);
  operation.outcome = OutcomeOfOperation();
  if (project.deletions_fail && action == "delete_timeline") operation.outcome = "failed";
  project.running.push_back(project.operations.size());
  project.operations.push_back(std::move(operation));
  return project.operations.back();
}

std::string ModelNeon::OutcomeOfOperation() {
  if (!chance_->Happens(options.operation_fails)) {
    return chance_->Happens(0.1) ? "skipped" : "finished";
  }
  static constexpr const char *kFailures[] = {"failed", "error", "cancelled"};
  return kFailures[chance_->Between(0, 2)];
}

void ModelNeon::Unstick(ModelProject &project) {
  for (size_t at : project.running)
    project.operations[at].ends_at = std::min(project.operations[at].ends_at, clock_->Now());
}

void ModelNeon::Settle() {
  for (auto &[id, project] : projects) {
    while (project.busy()) {
      ModelOperation &operation = project.operations[project.running.front()];
      if (operation.ends_at > clock_->Now()) break;
      project.running.erase(project.running.begin());
      End(project, operation);
    }
    Expire(project);
  }
}

void ModelNeon::End(ModelProject &project, ModelOperation &operation) {
  operation.ended = true;
  bool succeeded = operation.outcome == "finished" || operation.outcome == "skipped";
  if (witness_->tracing()) {
    witness_->Note("neon: " + operation.action + " of " + operation.branch_id + " " +
                   operation.outcome);
  }
  ModelBranch *branch = project.Find(operation.branch_id);
  if (branch == nullptr) return;
  Touch(*branch);
  if (!succeeded) {
    harms->Note(Harm::kOperationFailed, branch->id);
    if (!branch->session_uuid.empty()) harms->Note(Harm::kOperationFailed, branch->session_uuid);
  }
  switch (operation.effect) {
    case ModelOperation::Effect::kNone:
      return;
    case ModelOperation::Effect::kReady:
      // What fails may have left a branch that works, or one that never will.
      if (succeeded || chance_->Happens(0.5)) branch->state = ModelBranch::State::kReady;
      return;
    case ModelOperation::Effect::kDelete:
      if (succeeded) Remove(project, operation.branch_id);
      return;
    case ModelOperation::Effect::kRestored:
      branch->state = ModelBranch::State::kReady;
      if (succeeded || chance_->Happens(0.5)) return;
      branch->content = operation.before->content;
      branch->parent_id = operation.before->parent_id;
      branch->last_reset_at = operation.before->last_reset_at;
      restores_[operation.record].undone = true;
      TakeBack(project, *branch, restores_[operation.record]);
      witness_->Note("neon: the restore is undone");
      return;
  }
}

// The parent is what it was before a restore.
void ModelNeon::TakeBack(ModelProject &project, const ModelBranch &parent,
                         const RestoreRecord &record) {
  const std::string whose = (record.is_undo ? "undo of " : "") + record.session_uuid;
  harms->Note(Harm::kRestoreUndone, whose);
  if (IsOn(Trial::kExactFence)) harms->DropParentChange(project.id, whose);
  for (const std::vector<int64_t> *changes : {&parent.content.migrations, &parent.content.writes}) {
    for (int64_t change : *changes)
      project.taken_back.erase(change);
  }
}

void ModelNeon::Expire(ModelProject &project) {
  if (!options.expires || project.busy()) return;
  int64_t now = clock_->TrueUnixTime();
  std::vector<std::string> due;
  for (const auto &[id, branch] : project.branches) {
    if (branch.expires_at != 0 && branch.expires_at <= now) due.push_back(id);
  }
  for (const std::string &id : due) {
    if (project.HasChildren(id)) continue;
    witness_->Note("neon: " + id + " expires");
    harms->Note(Harm::kExpired, id);
    Remove(project, id);
  }
}

void ModelNeon::Remove(ModelProject &project, const std::string &branch_id) {
  project.branches.erase(branch_id);
}

ModelBranch *ModelNeon::FindByHost(std::string_view uri, ModelProject **project) {
  size_t begin = uri.find("@ep-");
  size_t end = uri.find(".neon.test");
  if (begin == std::string_view::npos || end == std::string_view::npos) return nullptr;
  std::string id(uri.substr(begin + 4, end - begin - 4));
  for (auto &[name, candidate] : projects) {
    if (ModelBranch *branch = candidate.Find(id)) {
      *project = &candidate;
      return branch;
    }
  }
  return nullptr;
}

void ModelNeon::Told(const std::vector<std::string> &operation_ids) {
  for (auto &[id, project] : projects) {
    for (size_t at : project.running) {
      ModelOperation &operation = project.operations[at];
      const auto &ids = operation_ids;
      if (std::find(ids.begin(), ids.end(), operation.id) != ids.end()) operation.told = true;
    }
  }
}

void ModelNeon::Forgotten() {
  for (auto &[id, project] : projects) {
    for (size_t at : project.running)
      project.operations[at].told = false;
  }
}

}  // namespace agent_branch::simulation
