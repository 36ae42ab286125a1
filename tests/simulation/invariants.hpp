// What must hold once everything has come to rest (architecture.md, "The core is a pure state
// machine"). What must hold at every moment the models judge as it happens.
#pragma once

#include <set>

#include "tests/simulation/harms.hpp"
#include "tests/simulation/model_branch.hpp"
#include "tests/simulation/model_neon.hpp"
#include "tests/simulation/model_store.hpp"

namespace agent_branch::simulation {

struct Evidence {
  const ModelNeon *neon;
  const ModelStore *store;
  const ModelBranches *branches;
  const Settings *settings;
  const Harms *harms;
  int64_t now = 0;  // of the calendar
  bool calendar_was_wrong = false;
  // Projects of the store in which trouble lasts: they are not judged yet.
  std::set<int64_t> sick_projects;
};

// Faults are off, users have stopped, nothing is under way: whoever asked for something was served.
void JudgeRest(const Evidence &evidence, Witness &witness);
// What was asked for came about, or something happened that makes another end right
// (judge_duty.cpp).
void JudgeDuty(const Evidence &evidence, Witness &witness);
// Whether anything happened that makes another end of the session right.
bool IsExcused(const Evidence &evidence, const SessionRow &session);
bool IsInScope(const Evidence &evidence, int64_t project_id);
// Every session has expired, and two sweeps have run.
void JudgeEnd(const Evidence &evidence, Witness &witness);
// Its parts that are about branches (judge_branches.cpp).
//
// At each commit: no more sessions of a project have begun than it has places.
void JudgePlaces(const Evidence &evidence, Witness &witness);
// At rest: a session's branch ends at Neon when the session does. swept: a sweep has looked at it.
void JudgeExpiries(const Evidence &evidence, bool swept, Witness &witness);
// At rest: each undo came to an end that is what it is said to be, and is explained
// (judge_undo.cpp).
void JudgeUndos(const Evidence &evidence, Witness &witness);
// Always: no session has another's branch, and branches of others are as they were.
void JudgeOwnership(const Evidence &evidence, Witness &witness);
// After two sweeps: each branch of ours is on record.
void JudgeKnown(const Evidence &evidence, Witness &witness);
// After the end: what is left is on record, and cannot be deleted yet.
void JudgeLeftovers(const Evidence &evidence, Witness &witness);

// A number for this state of the world: the same for states that differ by ids and times only.
uint64_t HashState(const Evidence &evidence);

}  // namespace agent_branch::simulation
