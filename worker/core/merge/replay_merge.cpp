#include "worker/core/merge/replay_merge.hpp"

#include <memory>
#include <utility>

#include "worker/core/merge/certificate.hpp"
#include "worker/core/merge/conflict_reader.hpp"
#include "worker/core/merge/gate_script.hpp"
#include "worker/core/merge/rebase_flow.hpp"

namespace agent_branch {
namespace {

// Others write to the parent: better to come again than to let them wait behind a lock that is
// itself waited for.
constexpr milliseconds kLockTimeout{2'000};

}  // namespace

ReplayWork &ReplayMerge::WorkOf(Session &session) {
  auto *work = dynamic_cast<ReplayWork *>(session.merge_work.get());
  if (work == nullptr) {
    auto made = std::make_unique<ReplayWork>();
    work = made.get();
    session.merge_work = std::move(made);
  }
  return *work;
}

Flow<StrategyEnd> ReplayMerge::Run(Session &session) {
  Result<Plan> plan = co_await Prepare(session, session.merge->on_unrecorded != "drop");
  if (!plan.ok()) {
    // For good: the parent is another branch.
    if (plan.status().sqlstate() == "55000") co_return StrategyEnd::Cannot(plan.status());
    StrategyEnd again{end_->Again(session, plan.status()), {}};
    co_return again;
  }
  std::optional<MergeRefusal> refusal = Weigh(session, *session.merge, &*plan);
  ConflictReader conflicts(context_);
  std::vector<RecordedWork> others;
  if (!refusal && plan->base != plan->parent.objects) {
    Result<std::optional<MergeRefusal>> weighed =
        co_await WeighDependences(session, &*plan, &others);
    if (!weighed.ok()) {
      StrategyEnd again{end_->Again(session, weighed.status()), {}};
      co_return again;
    }
    refusal = std::move(*weighed);
  }
  if (!refusal && plan->base != plan->parent.objects) {
    Result<std::optional<MergeRefusal>> other =
        co_await other_order_.Try(session, &*plan, std::move(others));
    if (!other.ok() && other.status().sqlstate() != kBranchMoved) {
      StrategyEnd again{end_->Again(session, other.status()), {}};
      co_return again;
    }
    if (!other.ok() && ++WorkOf(session).moved < kMostMoves) co_return StrategyEnd();
    if (!other.ok()) co_return StrategyEnd::Cannot(other.status());
    refusal = std::move(*other);
  }
  if (refusal) {
    co_await conflicts.AddDefinitions(session, plan->branch.objects, &refusal->conflicts);
    StrategyEnd cannot{Next::Look(), std::move(refusal)};
    co_return cannot;
  }
  session.merge->base_fingerprint = session.row.base_fingerprint;
  session.merge->parent_fingerprint = plan->parent.fingerprint;
  session.merge->parent_reset_at = plan->parent.last_reset_at;
  if (plan->recorded.migrations.empty()) co_return EndWithoutMigrations(session, *plan);
  Result<std::optional<MergeRefusal>> shut = co_await gates_->Ask(session);
  if (!shut.ok()) {
    StrategyEnd again{end_->Again(session, shut.status()), {}};
    co_return again;
  }
  if (shut->has_value()) {
    end_->Refuse(session, (*shut)->why, std::move((*shut)->conflicts));
    co_return StrategyEnd();
  }
  StrategyEnd end = co_await Replay(session, std::move(*plan));
  co_return end;
}

StrategyEnd ReplayMerge::EndWithoutMigrations(Session &session, const Plan &plan) {
  const std::vector<std::string> unexpected =
      FindUnexpected(plan.expected, plan.parent.objects, 100);
  if (!unexpected.empty()) return StrategyEnd::Cannot(UnrecordedObjects(unexpected));
  Merged(session);
  return {};
}

BranchTask ReplayMerge::TaskFor(const Session &session, const Plan &plan) const {
  const Project &project = *context_->inventory().FindProject(session.row.project_id);
  BranchTask task;
  task.kind = BranchTaskKind::kMigrate;
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  task.prove = true;
  task.record = true;
  task.longest_lock_wait = kLockTimeout;
  task.sql = plan.scripts.front().script.sql;
  task.statements = plan.scripts.front().script.statements;
  for (size_t n = 1; n < plan.scripts.size(); ++n)
    task.more.push_back(plan.scripts[n].script);
  return task;
}

std::vector<ReplayScript> ReplayMerge::ScriptsOf(const Plan &plan, milliseconds statement_timeout) {
  using Kind = ReplayScript::Kind;
  std::vector<ReplayScript> scripts;
  const auto add_gates = [&](bool of_parent) {
    for (size_t n = 0; n < plan.gates.size(); ++n) {
      const GateRow &gate = plan.gates[n];
      if (gate.on_parent != of_parent || gate.sql.empty()) continue;
      scripts.push_back({Kind::kGate, n, GateInTransaction(gate, statement_timeout)});
    }
  };
  add_gates(true);
  if (!plan.guard.empty()) scripts.push_back({Kind::kGuard, 0, {plan.guard, 1}});
  for (size_t n = 0; n < plan.recorded.migrations.size(); ++n)
    scripts.push_back({Kind::kMigration, n, plan.recorded.migrations[n].script});
  add_gates(false);
  return scripts;
}

Flow<StrategyEnd> ReplayMerge::Replay(Session &session, Plan plan) {
  Project &project = context_->ProjectOf(session);
  Result<bool> backed_up = co_await undo_points_->BackUp(session);
  if (!backed_up.ok()) {
    StrategyEnd again{end_->Again(session, backed_up.status()), {}};
    co_return again;
  }
  if (!*backed_up) co_return StrategyEnd();
  const std::string target =
      std::to_string(plan.recorded.migrations.size()) + " migrations on " + project.row.parent;
  context_->journal().Add(*session.merge);
  co_await context_->IntendAndCommit(session, StepKind::kReplay, target);
  if (session.given_up()) {
    context_->CloseStep(session, false, "given up before it began");
    co_return StrategyEnd();
  }
  plan.gates = project.row.gates;
  plan.scripts = ScriptsOf(plan, project.row.statement_timeout);
  BranchTask task = TaskFor(session, plan);
  TransactionCalls calls;
  calls.hold = true;
  calls.look = [this, &session, &plan] { return SeeBranchStill(session, &plan); };
  calls.judge = [this, &session, &plan](const BranchEvent &ready) {
    return JudgeDone(session, plan, ready);
  };
  calls.note = [this, &session, &plan](const BranchEvent &ready) {
    MergeRow &merge = *session.merge;
    merge.transaction_id = ready.transaction_id;
    merge.after_fingerprint = ready.fingerprint;
    merge.certificate =
        ReplayCertificate(plan.base, plan.branch.objects, plan.parent.objects, plan.recorded.rows,
                          ready.record, context_->now() - plan.began);
    context_->journal().Add(merge);
    undo_points_->NoteReplay(session, ready);
  };
  TransactionEnd end =
      co_await RunTransaction(*context_, session, project, std::move(task),
                              "the migrations to run on the parent", std::move(calls));
  StrategyEnd ended = co_await OnEnd(session, std::move(plan), std::move(end));
  co_return ended;
}

}  // namespace agent_branch
