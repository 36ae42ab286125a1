#include "worker/core/state/owner_of.hpp"

namespace agent_branch {
namespace {

struct FindOwner {
  Owner operator()(const SessionRow &row) const { return Owner::Session(row.id); }
  Owner operator()(const MigrationRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const AttemptRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const MergeRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const ConflictRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const StepRow &row) const { return Owner::Of(row.session_id, row.project_id); }
  Owner operator()(const KeptBranchRow &row) const {
    return Owner::Of(row.session_id, row.project_id);
  }
  Owner operator()(const SweepRow &) const { return {}; }
  Owner operator()(const UpkeepRow &row) const { return Owner::Project(row.project_id); }
  Owner operator()(const SweepBranchRow &row) const { return Owner::Project(row.project_id); }
  Owner operator()(const CredentialRow &row) const {
    return Owner::Of(row.session_id, row.project_id);
  }
  Owner operator()(const DropCredentials &row) const {
    return Owner::Of(row.session_id, row.project_id);
  }
  Owner operator()(const SnapshotRow &) const { return {}; }
  Owner operator()(const ForkRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const RebaseRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const UndoPointRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const UndoRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const WaitRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const PreviewRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const DropRequest &) const { return {}; }
  Owner operator()(const FixCallRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const RefusedFixRow &row) const { return Owner::Session(row.session_id); }
  Owner operator()(const FixMemoryRow &row) const { return Owner::Project(row.project_id); }
};

}  // namespace

Owner OwnerOf(const Mutation &mutation) {
  return std::visit(FindOwner{}, mutation);
}

bool IsOfItsData(const Status &error, int failures) {
  // An internal error may be either; it is the server's until it has come again.
  constexpr int kCameAgain = 3;
  const std::string kind = error.sqlstate().substr(0, 2);
  if (kind == "XX") return failures >= kCameAgain;
  return kind == "22" || kind == "23" || kind == "54" || kind == "P0";
}

}  // namespace agent_branch
