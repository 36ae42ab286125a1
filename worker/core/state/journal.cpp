#include "worker/core/state/journal.hpp"

#include <utility>

namespace agent_branch {

void Journal::Save(const SessionRow &session) {
  touched_.insert(session.id);
  for (auto mutation = batch_.mutations.rbegin(); mutation != batch_.mutations.rend(); ++mutation) {
    auto *saved = std::get_if<SessionRow>(&*mutation);
    if (saved == nullptr || saved->id != session.id) continue;
    if (saved->state != session.state) break;
    *saved = session;
    return;
  }
  batch_.mutations.emplace_back(session);
}

void Journal::Add(Mutation mutation) {
  if (auto *migration = std::get_if<MigrationRow>(&mutation)) {
    touched_.insert(migration->session_id);
  }
  if (auto *credential = std::get_if<CredentialRow>(&mutation)) {
    touched_.insert(credential->session_id);
  }
  if (auto *preview = std::get_if<PreviewRow>(&mutation)) touched_.insert(preview->session_id);
  batch_.mutations.push_back(std::move(mutation));
}

StepRow Journal::Intend(const Project &project, int64_t session_id, StepKind kind,
                        std::string target, std::function<void()> act) {
  StepRow step;
  step.id = next_step_id_++;
  step.project_id = project.row.id;
  step.session_id = session_id;
  step.kind = kind;
  step.target = std::move(target);
  Add(step);
  AfterCommit(std::move(act), Owner::Of(session_id, project.row.id));
  return step;
}

void Journal::Record(StepRow step, bool done, std::string outcome) {
  step.status = done ? "done" : "refused";
  step.outcome = std::move(outcome);
  Add(std::move(step));
}

void Journal::Committed(const std::set<Owner> &set_aside) {
  // An action may begin the next batch, so both are put aside first.
  std::vector<Action> actions = std::move(actions_);
  actions_.clear();
  batch_.mutations.clear();
  touched_.clear();
  for (const Action &action : actions) {
    if (set_aside.count(action.owner) == 0) action.act();
  }
}

}  // namespace agent_branch
