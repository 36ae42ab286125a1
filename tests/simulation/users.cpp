#include "tests/simulation/users.hpp"

#include <algorithm>

namespace agent_branch::simulation {
namespace {

// Whether the worker has written down that it is a session's, or kept.
bool IsOnRecord(const ModelStore &store, const ModelBranch &branch) {
  const auto &sessions = store.sessions();
  return store.kept().count(branch.id) > 0 ||
         std::any_of(sessions.begin(), sessions.end(),
                     [&](const auto &one) { return one.second.branch_id == branch.id; });
}

}  // namespace

void Users::Begin(const std::vector<UserPlan> &plans) {
  for (const UserPlan &plan : plans) {
    User user;
    user.plan = &plan;
    users_.push_back(user);
    Later(users_.size() - 1, plan.begins);
  }
}

void Users::Later(size_t user, milliseconds after) {
  agenda_->Put(clock_->Now() + after, [this, user] {
    if (!active_) return;
    User &one = users_[user];
    constexpr int kPatience = 60;
    bool acted = Act(one);
    one.refused = acted ? 0 : one.refused + 1;
    bool goes_on = one.plan != nullptr && one.refused < kPatience;
    if (goes_on) Later(user, one.plan->pace + chance_->Delay(0, 2 * one.plan->pace.count()));
  });
}

bool Users::Act(User &user) {
  if (user.session_id == 0) return Create(user);
  const SessionRow &session = store_->sessions().at(user.session_id);
  if (session.finished && session.state == SessionState::kMerged && user.plan->undoes)
    if (Undo(user, session)) return true;
  bool over = session.finished || session.state == SessionState::kDiscarding ||
              session.state == SessionState::kMerged;
  if (over && user.plan->restless && session.finished && !user.began_again) {
    // The name is free again.
    user.began_again = true;
    user.session_id = 0;
    user.migrations = 0;
    return true;
  }
  if (over) {
    user.plan = nullptr;
    return true;
  }
  bool settled = session.settled && !store_->HasRequest(session.id, "create") &&
                 !store_->HasRequest(session.id, "migrate");
  if (user.plan->patient && !settled) return false;
  if (user.migrations < user.plan->migrations.size()) return Migrate(user, session);
  if (user.writes < user.plan->writes) return Write(user, session);
  if (user.plan->extends && !user.extended) return Extend(user, session);
  if (user.plan->rebases && !user.rebased) return Rebase(user, session);
  return End(user, session);
}

bool Users::Create(User &user) {
  int64_t project_id = project_ids[static_cast<size_t>(user.plan->project)];
  for (const auto &[id, other] : store_->sessions()) {
    bool taken = other.project_id == project_id && other.name == user.plan->name;
    if (taken && !other.finished) return false;
  }
  SessionRow session;
  session.project_id = project_id;
  session.name = user.plan->name;
  session.branch_name = "agent/" + session.name;
  session.created_at = clock_->UnixTime();
  session.expires_at = session.created_at + user.plan->ttl;
  user.session_id = store_->AddSession(session);
  wake();
  return true;
}

bool Users::TakesRequests(const SessionRow &session) const {
  bool given_up = session.goal == Goal::kDiscard || session.goal == Goal::kExpire ||
                  store_->HasRequest(session.id, "discard");
  return !session.finished && !IsFinal(session.state) &&
         session.state != SessionState::kDiscarding && !given_up;
}

bool Users::IsMerging(const SessionRow &session) const {
  return session.state == SessionState::kMerging || session.goal == Goal::kMerge ||
         store_->HasRequest(session.id, "merge");
}

bool Users::Migrate(User &user, const SessionRow &session) {
  bool branchless = session.state == SessionState::kFailed && session.branch_id.empty();
  bool may = TakesRequests(session) && !IsMerging(session) && !branchless &&
             session.expires_at > clock_->UnixTime();
  if (!may) return false;
  store_->AddMigration(session.id, user.plan->migrations[user.migrations++]);
  wake();
  return true;
}

bool Users::Write(User &user, const SessionRow &session) {
  if (session.state != SessionState::kReady || IsMerging(session)) return false;
  neon_->Settle();
  ModelProject *project = nullptr;
  ModelBranch *branch = neon_->FindByHost("@ep-" + session.branch_id + ".neon.test", &project);
  if (branch == nullptr) return false;
  branch->content.Write(next_write_++);
  neon_->harms->Note(Harm::kUnrecorded, session.uuid);
  ++user.writes;
  return true;
}

bool Users::Extend(User &user, const SessionRow &session) {
  if (!TakesRequests(session) || session.expires_at <= clock_->UnixTime()) return false;
  RequestRow request;
  request.kind = "extend";
  request.session_id = session.id;
  request.expires_at = clock_->UnixTime() + user.plan->ttl + 3'600;
  store_->AddRequest(request);
  user.extended = true;
  wake();
  return true;
}

bool Users::Rebase(User &user, const SessionRow &session) {
  const bool rests = session.settled && (session.state == SessionState::kReady ||
                                         session.state == SessionState::kConflict);
  if (!TakesRequests(session) || IsMerging(session)) return false;
  user.rebased = true;
  // A session that has expired takes none, and one that is about to loses its branch meanwhile.
  if (!rests || session.expires_at <= clock_->UnixTime() + 10) return true;
  RequestRow request;
  request.kind = "rebase";
  request.session_id = session.id;
  store_->AddRequest(request);
  wake();
  return true;
}

// False: there is nothing that could be asked for, or it has been.
bool Users::Undo(User &user, const SessionRow &session) {
  const int most = user.plan->forces ? 2 : 1;
  const MergeRow *merge = nullptr;
  for (const auto &[id, one] : store_->merges()) {
    if (one.session_id == session.id && one.status == "merged") merge = &one;
  }
  if (merge == nullptr || user.undos == most || store_->HasRequest(session.id, "undo"))
    return false;
  const auto point = store_->undo_points().find(merge->id);
  if (point == store_->undo_points().end() || !point->second.why_not.empty() ||
      point->second.until < clock_->UnixTime())
    return false;
  for (const auto &[id, undo] : store_->undos()) {
    if (undo.merge_id == merge->id && undo.status == "undone") return false;
    // Somebody who waits for it.
    if (undo.merge_id == merge->id && (undo.status == "queued" || undo.status == "running"))
      return true;
  }
  RequestRow request;
  request.kind = "undo";
  request.session_id = session.id;
  request.subject_id = merge->id;
  request.force = ++user.undos == 2;
  store_->AddRequest(request);
  wake();
  return true;
}

bool Users::DiscardWhileMerging(const SessionRow &session) {
  if (!chance_->Happens(0.2)) return false;
  RequestRow request;
  request.kind = "discard";
  request.session_id = session.id;
  store_->AddRequest(request);
  wake();
  return true;
}

bool Users::End(User &user, const SessionRow &session) {
  if (user.plan->end == UserPlan::End::kAbandon) {
    user.plan = nullptr;
    return true;
  }
  const bool rebasing = session.goal == Goal::kRebase || store_->HasRequest(session.id, "rebase");
  if (!TakesRequests(session) || rebasing) return false;
  if (IsMerging(session)) return user.plan->restless && DiscardWhileMerging(session);
  // After a merge that was refused there is nothing left but to give it up, or to ask once more.
  bool again = user.plan->restless && !user.merged_again &&
               session.state == SessionState::kConflict && user.plan->end == UserPlan::End::kMerge;
  bool merges = user.plan->end == UserPlan::End::kMerge &&
                (session.state != SessionState::kConflict || again) &&
                session.state != SessionState::kFailed;
  user.merged_again = user.merged_again || again;
  if (merges) {
    bool open =
        std::any_of(store_->migrations().begin(), store_->migrations().end(), [&](const auto &one) {
          return one.second.session_id == session.id &&
                 (one.second.status == MigrationStatus::kQueued ||
                  one.second.status == MigrationStatus::kRunning);
        });
    if (open || session.expires_at <= clock_->UnixTime()) return false;
  }
  RequestRow request;
  request.kind = merges ? "merge" : "discard";
  request.session_id = session.id;
  request.strategy = user.plan->strategy;
  request.on_drift = user.plan->on_drift;
  request.on_unrecorded = user.plan->on_unrecorded;
  store_->AddRequest(request);
  wake();
  return true;
}

ModelProject &Users::ProjectAt(int project) {
  int64_t id = project_ids[static_cast<size_t>(project)];
  neon_->Settle();
  return neon_->projects.at(store_->projects().at(id).neon_id);
}

ModelBranch *Users::OneOfOurs(int project) {
  std::vector<ModelBranch *> ours;
  for (auto &[id, branch] : ProjectAt(project).branches) {
    if (branch.ours()) ours.push_back(&branch);
  }
  if (ours.empty()) return nullptr;
  return ours[static_cast<size_t>(chance_->Between(0, static_cast<int64_t>(ours.size()) - 1))];
}

void Users::NoteTaken(const ModelBranch &branch) {
  neon_->harms->Note(Harm::kBranchTaken, branch.id);
  if (!branch.session_uuid.empty()) neon_->harms->Note(Harm::kBranchTaken, branch.session_uuid);
}

void Users::MakeForeignBranch(int project, int64_t amount) {
  ModelProject &there = ProjectAt(project);
  std::string name = "agent/" + std::string(1, static_cast<char>('a' + (amount & 3)));
  if (there.FindByName(name) != nullptr) return;
  neon_->harms->Note(Harm::kNameTaken, there.id + " " + name);
  ModelBranch &branch =
      neon_->AddBranch(there, name, there.FindByName("dev")->id, ModelBranch::Maker::kOthers);
  if (amount % 3 == 0) {
    // Another control database's.
    branch.annotation["agent-branch-installation"] = "0badcafe-0000-4000-8000-000000000002";
    branch.annotation["agent-branch-session"] = "0badcafe-0000-4000-8000-000000000003";
  }
}

void Users::DeleteOneOfOurs(int project) {
  ModelBranch *branch = OneOfOurs(project);
  ModelProject &there = ProjectAt(project);
  if (branch == nullptr || there.HasChildren(branch->id) || there.busy()) return;
  NoteTaken(*branch);
  there.branches.erase(std::string(branch->id));
}

void Users::MakeForeignChild(int project) {
  ModelBranch *branch = OneOfOurs(project);
  if (branch == nullptr) return;
  NoteTaken(*branch);
  branch->expires_at = 0;
  neon_->AddBranch(ProjectAt(project), "child of " + branch->id, branch->id,
                   ModelBranch::Maker::kOthers);
}

void Users::Protect(int project) {
  ModelBranch *branch = OneOfOurs(project);
  if (branch == nullptr || branch->expires_at != 0) return;
  NoteTaken(*branch);
  branch->is_protected = true;
}

void Users::WriteToParent(int project) {
  ModelProject &there = ProjectAt(project);
  ModelBranch *parent = there.FindByName("dev");
  if (parent->state != ModelBranch::State::kReady) return;
  neon_->harms->NoteParentChange(there.id, clock_->Now(), "");
  parent->content.Write(-clock_->Now().count() - 1);
}

void Users::Rename(int project) {
  ModelBranch *branch = OneOfOurs(project);
  if (branch == nullptr || !IsOnRecord(*store_, *branch)) return;
  NoteTaken(*branch);
  branch->name += "-renamed";
  // Of a backup there is nothing but its name that says whose it is.
  if (branch->maker == ModelBranch::Maker::kBackup) branch->disowned_at = clock_->Now();
  neon_->Touch(*branch);
}

void Users::Annotate(int project) {
  ModelBranch *branch = OneOfOurs(project);
  if (branch == nullptr || branch->annotation.empty() || !IsOnRecord(*store_, *branch)) return;
  NoteTaken(*branch);
  branch->annotation["agent-branch-installation"] = "0badcafe-0000-4000-8000-000000000002";
  // Whoever wants the name next finds it taken by a branch of others.
  neon_->harms->Note(Harm::kNameTaken, ProjectAt(project).id + " " + branch->name);
  branch->disowned_at = clock_->Now();
  neon_->Touch(*branch);
}

void Users::Register(int project, int max_parallel) {
  // Never with fewer: those who have a place already would be too many.
  const int64_t id = project_ids[static_cast<size_t>(project)];
  store_->RegisterAnew(id, std::max(max_parallel, store_->projects().at(id).max_parallel));
  wake();
}

void Users::TakeOver() {
  RequestRow request;
  request.kind = "take over";
  store_->AddRequest(request);
  wake();
}

std::vector<UserOutcome> Users::Outcomes() const {
  std::vector<UserOutcome> outcomes;
  for (const User &user : users_) {
    UserOutcome outcome;
    outcome.session_id = user.session_id;
    for (const RequestRow &request : store_->asked()) {
      if (request.session_id != user.session_id || user.session_id == 0) continue;
      outcome.asked += request.kind + ' ';
    }
    if (user.session_id != 0) outcome.end = StateName(store_->sessions().at(user.session_id).state);
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

void Users::ChangeParent(int project) {
  ModelBranch *parent = ProjectAt(project).FindByName("dev");
  if (parent->state != ModelBranch::State::kReady) return;
  neon_->harms->NoteParentChange(ProjectAt(project).id, clock_->Now(), "");
  parent->content.Change(-clock_->Now().count() - 1);
}

}  // namespace agent_branch::simulation
