#include "worker/core/merge/still_proof.hpp"

#include <utility>

#include "worker/core/merge/standpoint.hpp"

namespace agent_branch {

Flow<Result<StillProof>> StillProver::Prove(Session &session) {
  StillProof proof;
  Result<ForkRow> fork = context_->store().Fork(session.row.id);
  if (!fork.ok()) co_return fork.status();
  Result<Standpoint> then = ReadStandpoint(fork->parent);
  if (!then.ok()) {
    proof.moved = "it was not known where it stood when the branch was made";
    proof.known = false;
    co_return proof;
  }
  Result<ParentNow> parent = co_await parent_->Find(session);
  if (!parent.ok()) co_return parent.status();
  if (!parent->same_history) {
    proof.moved = "it was restored at " +
                  (parent->last_reset_at.empty() ? "an unknown time" : parent->last_reset_at);
    co_return proof;
  }
  Project &project = context_->ProjectOf(session);
  BranchTask task;
  task.kind = BranchTaskKind::kStandpoint;
  // Not the connection that may hold the locks.
  task.connection_key = project.parent_connection_key() + ", beside";
  task.uri = project.parent_uris.direct;
  BranchEvent event = co_await context_->Run(session, project, std::move(task),
                                             "the parent to say where it stands");
  if (event.outcome == BranchOutcome::kNotRun) co_return parent_->Trouble(session, event);
  Result<Standpoint> now = ReadStandpoint(event.answer);
  if (event.outcome != BranchOutcome::kDone || !now.ok()) {
    proof.moved = "it cannot tell where it stands: " + event.error.message();
    co_return proof;
  }
  proof.moved = WhatMoved(*then, *now);
  proof.standpoint = event.answer;
  co_return proof;
}

std::string LockTablesScript() {
  return "DO $agent_branch$ DECLARE relation text; BEGIN FOR relation IN SELECT "
         "pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c "
         "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
         "WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' "
         "AND n.nspname <> 'information_schema' "
         "AND pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE') ORDER BY c.oid "
         "LOOP EXECUTE 'LOCK TABLE ' || relation || ' IN SHARE MODE'; END LOOP; END $agent_branch$";
}

}  // namespace agent_branch
