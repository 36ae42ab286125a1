// Changes of the model's branches that exist: PATCH, DELETE and restore.
#include <algorithm>

#include "tests/simulation/model_neon.hpp"
#include "tests/simulation/trials.hpp"
#include "worker/core/base/timestamp.hpp"

namespace agent_branch::simulation {
namespace {

bool Includes(const std::vector<int64_t> &all, int64_t one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

ModelNeon::Answer ModelNeon::Patch(Call &call) {
  ModelProject &project = *call.project;
  ModelBranch *branch = project.Find(call.path[2]);
  if (branch == nullptr) return Refuse(404, "branch not found");
  if (!branch->ours()) witness_->Violation("PATCH of a branch that is not ours: " + branch->id);
  const JsonValue *wanted = JsonMember(&call.body, "branch");
  std::string name = JsonString(wanted, "name");
  const JsonValue *expiry = JsonMember(wanted, "expires_at");
  int64_t expires_at = ParseTimestamp(JsonString(wanted, "expires_at"));
  if (auto locked = options.lock_first ? Locked(call) : std::nullopt) return *locked;
  if (expires_at != 0 && project.HasChildren(branch->id)) {
    return Refuse(422, "a branch with children cannot expire");
  }
  if (expires_at != 0 && expires_at <= clock_->TrueUnixTime()) {
    return Refuse(400, "expires_at must be in the future");
  }
  const ModelBranch *same = name.empty() ? nullptr : project.FindByName(name);
  if (same != nullptr && same != branch) return Refuse(409, "branch already exists");
  if (auto locked = Locked(call)) return *locked;
  if (expiry != nullptr) branch->expires_at = expires_at;
  if (expiry != nullptr) branch->patched_late = !call.on_time;
  if (!name.empty()) branch->renamed = true;
  if (!name.empty()) branch->name = name;
  Touch(*branch);
  return Changed(project, *branch, {}, false);
}

ModelNeon::Answer ModelNeon::Delete(Call &call) {
  ModelProject &project = *call.project;
  ModelBranch *branch = project.Find(call.path[2]);
  if (branch == nullptr) {
    if (!options.gone_is_204) return Refuse(404, "branch not found");
    Answer answer;
    answer.status = 204;
    return answer;
  }
  if (!branch->ours()) witness_->Violation("DELETE of a branch that is not ours: " + branch->id);
  if (auto locked = options.lock_first ? Locked(call) : std::nullopt) return *locked;
  bool root = branch->is_default || branch->parent_id.empty();
  if (root) return Refuse(422, "cannot delete root branch");
  if (branch->is_protected) return Refuse(422, "cannot delete protected branch");
  if (project.HasChildren(branch->id)) return Refuse(422, "cannot delete branch with children");
  if (auto locked = Locked(call)) return *locked;
  std::string id = branch->id;
  JudgeDeletion(call, *branch);
  std::vector<std::string> operations;
  operations.push_back(AddOperation(project, id, "suspend_compute", chance_->Delay(50, 500)).id);
  ModelOperation &deletion = AddOperation(project, id, "delete_timeline", chance_->Delay(50, 500));
  deletion.effect = ModelOperation::Effect::kDelete;
  operations.push_back(deletion.id);
  return Changed(project, *branch, operations, false);
}

void ModelNeon::JudgeDeletion(const Call &call, const ModelBranch &branch) {
  if (is_live(branch)) {
    witness_->Violation("DELETE of " + branch.id + ", whose session is not given up");
  }
  // What a look at the branch shows may be as old as a request may take.
  constexpr milliseconds kLookIsOld{60'000};
  bool knowable =
      call.on_time && branch.disowned_at && *branch.disowned_at + kLookIsOld < call.sent_at;
  if (knowable) witness_->Violation("DELETE of " + branch.id + ", which has another owner now");
  int64_t keep_until = branch.created_at + call.project->undo_window;
  constexpr int64_t kRounding = 2;
  bool early = branch.maker == ModelBranch::Maker::kBackup && IsOn(Trial::kDuty) &&
               !clock_->was_wrong() && clock_->TrueUnixTime() + kRounding < keep_until;
  if (early && !branch.used_up)
    witness_->Violation("DELETE of backup " + branch.id + " before its time");
  if (call.on_time && !clock_->was_wrong() && is_needed(branch))
    witness_->Violation("DELETE of backup " + branch.id + ", which an undo may need");
}

std::optional<ModelNeon::Answer> ModelNeon::RefuseRestore(Call &call, ModelBranch &target,
                                                          ModelBranch *source,
                                                          const std::string &backup_name) {
  ModelProject &project = *call.project;
  if (auto locked = options.lock_first ? Locked(call) : std::nullopt) return locked;
  if (target.is_protected) return Refuse(422, "cannot reset protected branch");
  if (source->expires_at != 0) return Refuse(422, "cannot restore from an expiring branch");
  if (backup_name.empty() && project.HasChildren(target.id)) {
    return Refuse(422, "preserve_under_name is required");
  }
  if (static_cast<int>(project.branches.size()) >= project.branch_limit) {
    return Refuse(422, "branches limit exceeded", "BRANCHES_LIMIT_EXCEEDED");
  }
  if (project.FindByName(backup_name) != nullptr) return Refuse(409, "branch already exists");
  if (auto locked = Locked(call)) return locked;
  bool ready =
      target.state == ModelBranch::State::kReady && source->state == ModelBranch::State::kReady;
  if (!ready) return Refuse(422, "branch not ready yet");
  return std::nullopt;
}

ModelNeon::Answer ModelNeon::Restore(Call &call) {
  ModelProject &project = *call.project;
  ModelBranch *target = project.Find(call.path[2]);
  ModelBranch *source = project.Find(JsonString(&call.body, "source_branch_id"));
  if (target == nullptr || source == nullptr) return Refuse(404, "branch not found");
  std::string backup_name = JsonString(&call.body, "preserve_under_name");
  const std::optional<UndoAsked> undo = WhatItUndoes(call, *target, *source);
  if (backup_name.empty()) witness_->Violation("restore without a backup");
  if (auto refusal = RefuseRestore(call, *target, source, backup_name)) return *refusal;
  ModelBranch before = *target;
  if (undo) {
    JudgeUndo(call, *target, *source, *undo);
  } else {
    JudgeRestore(call, *target, *source);
  }
  DoRestore(call, *target, *source, backup_name, undo);
  std::vector<std::string> operations;
  ModelOperation &restored =
      AddOperation(project, target->id, "create_branch", chance_->Delay(500, 4'000));
  restored.effect = ModelOperation::Effect::kRestored;
  restored.before = std::move(before);
  restored.record = restores_.size() - 1;
  operations.push_back(restored.id);
  operations.push_back(
      AddOperation(project, target->id, "start_compute", chance_->Delay(500, 2'000)).id);
  return Changed(project, *target, operations, false);
}

void ModelNeon::DoRestore(Call &call, ModelBranch &target, ModelBranch &source,
                          const std::string &backup_name, const std::optional<UndoAsked> &undo) {
  ModelProject &project = *call.project;
  ModelBranch &backup =
      AddBranch(project, backup_name, target.parent_id, ModelBranch::Maker::kBackup);
  backup.content = target.content;
  backup.listed_at =
      clock_->Now() + (chance_->Happens(0.3) ? chance_->Delay(0, 3'000) : milliseconds(0));
  for (auto &[id, child] : project.branches) {
    if (child.parent_id == target.id) child.parent_id = backup.id;
  }
  target.content = source.content;
  Touch(target);
  if (options.topology == Topology::kLineage) target.parent_id = source.id;
  target.state = ModelBranch::State::kResetting;
  RestoreRecord record;
  record.indistinct =
      options.topology == Topology::kFlat && target.last_reset_at == clock_->TrueUnixTime();
  target.last_reset_at = clock_->TrueUnixTime();
  record.project_id = project.id;
  record.backup_name = backup_name;
  record.session_uuid = undo ? undo->session_uuid : source.session_uuid;
  record.is_undo = undo.has_value();
  if (undo) {
    source.used_up = true;
    harms->NoteParentChange(project.id, clock_->Now(), "undo of " + undo->session_uuid);
  } else {
    record.merged = source.content;
    harms->NoteParentChange(project.id, clock_->Now(), source.session_uuid);
  }
  restores_.push_back(std::move(record));
}

void ModelNeon::NoteReplay(ModelProject &project, const SessionRow &session,
                           const std::vector<int64_t> &effects) {
  if (const ModelBranch *branch = project.Find(session.branch_id)) {
    const auto own = static_cast<ptrdiff_t>(branch->at_fork.migrations.size());
    const std::vector<int64_t> done(branch->content.migrations.begin() + own,
                                    branch->content.migrations.end());
    if (done != effects)
      witness_->Violation("what is replayed is not what was done on branch " + branch->id);
  }
  harms->NoteParentChange(project.id, clock_->Now(), session.uuid);
  replays_.push_back({project.id, session.uuid, effects});
}

// Whether a change of others, which has its negative time for a number, came too late to be seen:
// after the parent was looked at, and so shortly before the restore was sent that a look as old as
// is allowed did not show it.
bool ModelNeon::IsUnseen(const Call &call, const ModelBranch &target, int64_t change) const {
  constexpr milliseconds kFresh{2'000};
  if (change >= 0) return false;
  if (!call.on_time) return true;
  const Instant when{-change - 1};
  if (when < target.described_at) return false;
  return !IsOn(Trial::kFreshProof) || when + kFresh >= call.sent_at;
}

void ModelNeon::JudgeRestore(const Call &call, const ModelBranch &target,
                             const ModelBranch &source) {
  if (!source.content.roles.empty())
    witness_->Violation("a restore takes an agent's role to the parent: " +
                        *source.content.roles.begin());
  for (int64_t migration : target.content.migrations) {
    if (Includes(source.content.migrations, migration) || IsUnseen(call, target, migration))
      continue;
    witness_->Violation("a restore takes migration " + std::to_string(migration) +
                        " from the parent");
  }
  for (int64_t write : target.content.writes) {
    if (!Includes(source.content.writes, write) && !IsUnseen(call, target, write)) {
      witness_->Violation("a restore takes data from the parent");
    }
  }
}

// Nothing: it is a merge.
std::optional<ModelNeon::UndoAsked> ModelNeon::WhatItUndoes(const Call &call,
                                                            const ModelBranch &target,
                                                            const ModelBranch &source) {
  if (target.name != "dev" || !source.ours())
    witness_->Violation("restore of " + target.id + " from " + source.id);
  const bool is_backup = source.maker == ModelBranch::Maker::kBackup || source.session_uuid.empty();
  if (!is_backup) return std::nullopt;
  std::optional<UndoAsked> asked = undo_from(source);
  if (asked) return asked;
  if (call.on_time)
    witness_->Violation("restore from backup " + source.id + ", which nobody asked for");
  return UndoAsked{"", true};
}

bool ModelNeon::IsOfMerge(const std::string &session_uuid, int64_t change) const {
  for (const RestoreRecord &record : restores_) {
    if (record.session_uuid != session_uuid || record.is_undo || record.undone) continue;
    if (Includes(record.merged.migrations, change) || Includes(record.merged.writes, change))
      return true;
  }
  return std::any_of(replays_.begin(), replays_.end(), [&](const ReplayRecord &record) {
    return record.session_uuid == session_uuid && Includes(record.effects, change);
  });
}

// What an undo takes away is what its merge brought, unless more was said to be lost.
void ModelNeon::JudgeUndo(const Call &call, const ModelBranch &target, const ModelBranch &source,
                          const UndoAsked &asked) {
  const auto judge = [&](int64_t change, bool stays) {
    if (stays) return;
    call.project->taken_back.insert(change);
    if (asked.forced || IsOfMerge(asked.session_uuid, change) || IsUnseen(call, target, change))
      return;
    witness_->Violation("an undo takes change " + std::to_string(change) +
                        " of others from the parent");
  };
  // By force, an undo of one merge may bring back what the undo of an earlier one took.
  for (int64_t migration : source.content.migrations)
    call.project->taken_back.erase(migration);
  for (int64_t migration : target.content.migrations)
    judge(migration, Includes(source.content.migrations, migration));
  for (int64_t write : target.content.writes)
    judge(write, Includes(source.content.writes, write));
}

}  // namespace agent_branch::simulation
