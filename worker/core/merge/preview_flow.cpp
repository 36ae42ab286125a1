#include "worker/core/merge/preview_flow.hpp"

#include <utility>

#include "worker/core/merge/rebase_flow.hpp"

namespace agent_branch {
namespace {

Status NotStill(const std::string &moved) {
  return Status::Error("40001", "the parent was written to since the session began", moved + ".",
                       "A merge by replay keeps what others wrote.");
}

std::vector<std::string> ChangedOnParent(const std::vector<ObjectDifference> &differences) {
  constexpr size_t kMost = 100;
  std::vector<std::string> changed;
  for (const ObjectDifference &difference : differences) {
    if (difference.parent == difference.base || changed.size() == kMost) continue;
    changed.push_back(difference.object);
  }
  return changed;
}

void SetProofs(const ReplayPlan &plan, const Result<StillProof> &still, MergePreview *preview) {
  preview->still.holds = still.ok() && still->moved.empty();
  preview->still.why = still.ok() ? still->moved : still.status().message();
  preview->same_schema.holds = plan.base == plan.parent.objects;
  if (!preview->same_schema.holds)
    preview->same_schema.why =
        "changed on the parent: " + Listed(ChangedOnParent(preview->differences));
  preview->all_recorded.holds = preview->unrecorded.empty();
  if (!preview->unrecorded.empty()) preview->all_recorded.why = Listed(preview->unrecorded);
  preview->one_piece.holds = plan.recorded.not_one_piece.empty();
  preview->one_piece.why = plan.recorded.not_one_piece;
}

void Set(PreviewStrategy *strategy, const Status &why_not, std::vector<std::string> loses) {
  strategy->possible = why_not.ok();
  strategy->why_not = why_not;
  strategy->loses = std::move(loses);
}

Status WhyNot(const std::optional<MergeRefusal> &refusal) {
  return refusal ? refusal->why : Status();
}

void Decide(MergePreview *preview, const char *strategy, std::string why) {
  preview->strategy = strategy;
  preview->why = std::move(why);
}

void RefuseFor(MergePreview *preview, const Status &why) {
  preview->refusal = MergeRefusal{why, {}};
  preview->why = why.message();
}

void ChooseAsked(const PreviewStrategy &asked, const char *name, MergePreview *preview) {
  if (asked.possible) {
    Decide(preview, name, "it is asked for");
  } else {
    RefuseFor(preview, asked.why_not);
  }
}

std::vector<std::string> TouchedNames(const MergePreview &preview) {
  std::vector<std::string> names;
  for (const TouchedTable &table : preview.tables)
    names.push_back(table.table);
  return names;
}

RadiusSources SourcesOf(const ReplayPlan &plan) {
  RadiusSources sources;
  sources.recorded = plan.recorded.rows;
  sources.takes_rows_away = plan.recorded.takes_rows_away;
  sources.base = plan.base;
  sources.branch_tables = plan.branch.tables;
  sources.parent_tables = plan.parent.tables;
  return sources;
}

}  // namespace

void ChooseForPreview(const MergeRow &wishes, bool changed_nothing, MergePreview *preview) {
  if (changed_nothing) return Decide(preview, "nothing", "the session changed nothing");
  if (wishes.strategy == "replay") return ChooseAsked(preview->replay, "replay", preview);
  if (wishes.strategy == "restore") return ChooseAsked(preview->restore, "restore", preview);
  if (wishes.strategy == "candidate") return ChooseAsked(preview->candidate, "candidate", preview);
  const Status &refusal = preview->replay.why_not;
  if (preview->replay.possible)
    return Decide(preview, "replay", "it keeps what others wrote to the parent");
  if (preview->still.holds) {
    if (!preview->restore.possible) return RefuseFor(preview, preview->restore.why_not);
    return Decide(
        preview, "restore",
        "nothing was written to the parent, and a replay is not possible: " + refusal.message());
  }
  const bool may_be_candidate = refusal.sqlstate() == "0A000" || refusal.sqlstate() == "54000";
  if (may_be_candidate && preview->candidate.possible)
    return Decide(preview, "candidate",
                  "the parent was written to, and a replay is not possible: " + refusal.message());
  RefuseFor(preview, refusal);
}

void PreviewFlow::Answer(Session &session, int64_t ticket, std::string result) {
  session.previews.erase(ticket);
  context_->journal().Add(PreviewRow{ticket, session.row.id, std::move(result)});
}

void PreviewFlow::TurnAway(Session &session) {
  const Status why =
      Status::Error("55006", "session \"" + session.row.name + "\" is busy",
                    "Its state is \"" + std::string(StateName(session.row.state)) + "\".",
                    "Wait for it with agent_wait(), then ask for the preview.");
  while (!session.previews.empty())
    Answer(session, session.previews.begin()->first, PreviewError(why));
}

Flow<Next> PreviewFlow::Run(Session &session) {
  const int64_t ticket = session.previews.begin()->first;
  MergeRow wishes = session.previews.begin()->second;
  if (session.row.state == SessionState::kFailed) {
    Answer(session, ticket,
           PreviewError(Status::Error("55000", "the session has failed", session.row.error,
                                      "Go on with agent_migrate(), or give it up with "
                                      "agent_discard().")));
    co_return Next::Look();
  }
  Result<std::string> made = co_await Make(session, std::move(wishes));
  Answer(session, ticket, made.ok() ? std::move(*made) : PreviewError(made.status()));
  co_return Next::Look();
}

Flow<BranchEvent> PreviewFlow::AskParent(Session &session, BranchTask task, std::string what) {
  Project &project = context_->ProjectOf(session);
  task.connection_key = project.parent_connection_key();
  task.uri = project.parent_uris.direct;
  BranchEvent event = co_await context_->Run(session, project, std::move(task), std::move(what));
  if (event.outcome == BranchOutcome::kNotRun) event.error = parent_.Trouble(session, event);
  co_return event;
}

Flow<Status> PreviewFlow::AskTexts(Session &session, MergePreview *preview) {
  if (preview->differences.empty()) co_return Status();
  BranchTask here;
  here.kind = BranchTaskKind::kDefinitions;
  here.sql = DefinitionQuestion(preview->differences, true);
  BranchEvent event =
      co_await record_.RunOnBranch(session, std::move(here), "what the objects on the branch say");
  if (event.outcome != BranchOutcome::kDone) co_return event.error;
  preview->branch_texts = ReadDefinitions(event.answer);
  BranchTask there;
  there.kind = BranchTaskKind::kDefinitions;
  there.sql = DefinitionQuestion(preview->differences, false);
  event = co_await AskParent(session, std::move(there), "what the objects on the parent say");
  if (event.outcome != BranchOutcome::kDone) co_return event.error;
  preview->parent_texts = ReadDefinitions(event.answer);
  co_return Status();
}

Flow<Status> PreviewFlow::AskSizes(Session &session, MergePreview *preview) {
  const std::vector<std::string> names = TouchedNames(*preview);
  if (names.empty()) co_return Status();
  BranchTask task;
  task.kind = BranchTaskKind::kRisks;
  task.sql = SizeQuestion(names);
  BranchEvent event =
      co_await AskParent(session, std::move(task), "the sizes of tables on the parent");
  if (event.outcome == BranchOutcome::kNotRun) co_return event.error;
  if (event.outcome == BranchOutcome::kDone) preview->sizes = ReadTableSizes(event.answer, names);
  co_return Status();
}

Flow<Result<std::string>> PreviewFlow::Make(Session &session, MergeRow wishes) {
  MergePreview preview;
  preview.session = session.row.name;
  preview.project = context_->ProjectOf(session).row.neon_id;
  preview.parent = context_->ProjectOf(session).row.parent;
  Result<ReplayPlan> plan = co_await replay_.Prepare(session, true);
  if (!plan.ok()) co_return plan.status();
  preview.unrecorded = plan->branch.unrecorded;
  const bool nothing = plan->recorded.migrations.empty() && preview.unrecorded.empty() &&
                       plan->branch.fingerprint == session.row.base_fingerprint;
  Result<StillProof> still = co_await still_.Prove(session);
  if (!still.ok() && still.status().sqlstate() != "55000") co_return still.status();
  Result<std::optional<Status>> unfit = co_await restore_.WhyNotRestorable(session);
  if (!unfit.ok()) co_return unfit.status();
  const bool drops = wishes.on_unrecorded == "drop";
  if (drops) plan->branch.unrecorded.clear();
  std::optional<MergeRefusal> drift = replay_.WeighSchema(session, wishes, &*plan);
  std::optional<MergeRefusal> cannot = replay_.Weigh(session, wishes, &*plan);
  if (!drift && plan->base != plan->parent.objects) {
    std::vector<RecordedWork> others;
    Result<std::optional<MergeRefusal>> weighed =
        co_await replay_.WeighDependences(session, &*plan, &others);
    if (!weighed.ok()) co_return weighed.status();
    drift = std::move(*weighed);
    if (!cannot) cannot = drift;
  }
  preview.differences = CompareThreeWays(plan->base, plan->branch.objects, plan->parent.objects);
  SetProofs(*plan, still, &preview);

  const std::vector<std::string> dropped = drops ? preview.unrecorded : std::vector<std::string>();
  Set(&preview.replay, WhyNot(cannot), dropped);
  std::vector<std::string> overwritten;
  if (!preview.still.holds) {
    overwritten = ChangedOnParent(preview.differences);
    overwritten.insert(overwritten.begin(),
                       "whatever was written to the parent: " + preview.still.why);
  }
  Status no_restore = unfit->has_value() ? **unfit : Status();
  if (no_restore.ok() && !preview.still.holds) no_restore = NotStill(preview.still.why);
  Set(&preview.restore, no_restore, std::move(overwritten));
  Status no_candidate = unfit->has_value() ? **unfit : WhyNot(drift);
  if (no_candidate.ok() && !plan->branch.unrecorded.empty())
    no_candidate = UnrecordedRowsFound(plan->branch.unrecorded);
  Set(&preview.candidate, no_candidate, dropped);
  ChooseForPreview(wishes, nothing, &preview);

  preview.tables = FindTouched(SourcesOf(*plan));
  preview.rows = plan->recorded.rows.tables;
  preview.risks = std::move(plan->recorded.risks);
  Status asked = co_await AskTexts(session, &preview);
  if (!asked.ok()) co_return asked;
  asked = co_await AskSizes(session, &preview);
  if (!asked.ok()) co_return asked;
  Result<std::vector<GateAnswer>> gates = co_await gates_.AskAll(session);
  if (!gates.ok()) co_return gates.status();
  preview.gates = std::move(*gates);
  std::optional<MergeRefusal> shut = JudgeGates(preview.gates);
  if (shut && !nothing && !preview.refusal) RefuseFor(&preview, shut->why);
  co_return PreviewJson(preview);
}

}  // namespace agent_branch
