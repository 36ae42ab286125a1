#include "worker/core/state/model.hpp"

#include <array>
#include <utility>

namespace agent_branch {
namespace {

template <class Value, size_t count>
using Names = std::array<std::pair<Value, std::string_view>, count>;

constexpr Names<SessionState, 11> kStates{{{SessionState::kQueued, "queued"},
                                           {SessionState::kCreating, "creating"},
                                           {SessionState::kReady, "ready"},
                                           {SessionState::kMigrating, "migrating"},
                                           {SessionState::kMerging, "merging"},
                                           {SessionState::kConflict, "conflict"},
                                           {SessionState::kMerged, "merged"},
                                           {SessionState::kDiscarding, "discarding"},
                                           {SessionState::kDiscarded, "discarded"},
                                           {SessionState::kExpired, "expired"},
                                           {SessionState::kFailed, "failed"}}};

constexpr Names<Goal, 5> kGoals{{{Goal::kNone, ""},
                                 {Goal::kMerge, "merge"},
                                 {Goal::kRebase, "rebase"},
                                 {Goal::kDiscard, "discard"},
                                 {Goal::kExpire, "expire"}}};

constexpr Names<MigrationStatus, 6> kMigrationStatuses{
    {{MigrationStatus::kQueued, "queued"},
     {MigrationStatus::kRunning, "running"},
     {MigrationStatus::kRepairing, "repairing"},
     {MigrationStatus::kApplied, "applied"},
     {MigrationStatus::kFailed, "failed"},
     {MigrationStatus::kCancelled, "cancelled"}}};

constexpr Names<StepKind, 15> kStepKinds{{{StepKind::kCreateBranch, "create branch"},
                                          {StepKind::kMigrate, "migrate"},
                                          {StepKind::kAskFixer, "ask fixer"},
                                          {StepKind::kSetExpiry, "set expiry"},
                                          {StepKind::kRestore, "restore"},
                                          {StepKind::kReplay, "replay"},
                                          {StepKind::kDeleteBranch, "delete branch"},
                                          {StepKind::kRenameBranch, "rename branch"},
                                          {StepKind::kSuspendCompute, "suspend compute"},
                                          {StepKind::kStartCompute, "start compute"},
                                          {StepKind::kBackUp, "back up"},
                                          {StepKind::kUndo, "undo"},
                                          {StepKind::kRunPiece, "run piece"},
                                          {StepKind::kMakeRole, "make role"},
                                          {StepKind::kDropRole, "drop role"}}};

template <class Value, size_t count>
std::string_view NameOf(const Names<Value, count> &names, Value value) {
  for (const auto &[known, name] : names) {
    if (known == value) return name;
  }
  return {};
}

template <class Value, size_t count>
std::optional<Value> ValueOf(const Names<Value, count> &names, std::string_view name) {
  for (const auto &[value, known] : names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

using S = SessionState;

constexpr std::pair<SessionState, SessionState> kTransitions[] = {
    {S::kQueued, S::kCreating},
    {S::kQueued, S::kDiscarded},
    {S::kQueued, S::kExpired},
    {S::kCreating, S::kReady},
    {S::kCreating, S::kFailed},
    {S::kCreating, S::kDiscarding},
    {S::kReady, S::kMigrating},
    {S::kReady, S::kMerging},
    {S::kReady, S::kDiscarding},
    {S::kReady, S::kFailed},
    {S::kMigrating, S::kReady},
    {S::kMigrating, S::kFailed},
    {S::kMigrating, S::kDiscarding},
    {S::kMerging, S::kMerged},
    {S::kMerging, S::kConflict},
    {S::kMerging, S::kFailed},
    {S::kMerging, S::kDiscarding},
    {S::kConflict, S::kMigrating},
    {S::kConflict, S::kMerging},
    {S::kConflict, S::kDiscarding},
    {S::kConflict, S::kFailed},
    {S::kFailed, S::kMigrating},
    {S::kFailed, S::kDiscarding},
    {S::kDiscarding, S::kDiscarded},
    {S::kDiscarding, S::kExpired},
    {S::kCreating, S::kQueued},
    // A rebase makes the branch anew.
    {S::kReady, S::kQueued},
    {S::kConflict, S::kQueued},
    {S::kFailed, S::kQueued},
    {S::kMerging, S::kQueued},
    {S::kReady, S::kConflict},
    {S::kFailed, S::kConflict},
};

}  // namespace

std::string_view StateName(SessionState state) {
  return NameOf(kStates, state);
}

std::optional<SessionState> ParseState(std::string_view name) {
  return ValueOf(kStates, name);
}

bool IsFinal(SessionState state) {
  return state == S::kMerged || state == S::kDiscarded || state == S::kExpired;
}

bool MayFollow(SessionState from, SessionState to) {
  for (const auto &[before, after] : kTransitions) {
    if (before == from && after == to) return true;
  }
  return false;
}

std::string_view GoalName(Goal goal) {
  return NameOf(kGoals, goal);
}

Goal ParseGoal(std::string_view name) {
  return ValueOf(kGoals, name).value_or(Goal::kNone);
}

std::string_view MigrationStatusName(MigrationStatus status) {
  return NameOf(kMigrationStatuses, status);
}

std::optional<MigrationStatus> ParseMigrationStatus(std::string_view name) {
  return ValueOf(kMigrationStatuses, name);
}

std::string SessionRole(const SessionRow &session) {
  std::string name(kSessionRolePrefix);
  for (char c : session.uuid) {
    if (c != '-') name += c;
  }
  return name;
}

bool IsDoneAgain(StepKind kind) {
  return kind == StepKind::kStartCompute || kind == StepKind::kMakeRole ||
         kind == StepKind::kDropRole;
}

std::string_view StepKindName(StepKind kind) {
  return NameOf(kStepKinds, kind);
}

std::optional<StepKind> ParseStepKind(std::string_view name) {
  return ValueOf(kStepKinds, name);
}

}  // namespace agent_branch
