#include "tests/unit/core/fake_branches.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace agent_branch {
namespace {

// The branch that a URI leads to: "…@ep-<id>.test/…".
std::string BranchOf(const Secret &uri) {
  std::string text(uri.Reveal());
  size_t begin = text.find("@ep-") + 4;
  EXPECT_NE(text.find("@ep-"), std::string::npos) << "a task without a URI";
  const size_t end = text.find('.', begin);
  const size_t pooler = text.find("-pooler", begin);
  return text.substr(begin, std::min(end, pooler) - begin);
}

// REINDEX builds one beside the one that it replaces.
std::string NameOfIndex(const BranchTask &task) {
  return task.non_transactional.kind == NonTransactional::kReindex ? "i_ccnew"
                                                                   : task.non_transactional.object;
}

// Guards, and gates that are asked inside: not the migrations' own.
bool IsOwn(const std::string &text) {
  return text.find("DO $agent_branch$") != std::string::npos;
}

}  // namespace

void FakeBranches::Finish(uint64_t id, BranchOutcome outcome) {
  BranchEvent event;
  event.id = id;
  event.outcome = outcome;
  if (outcome != BranchOutcome::kDone) event.error = Status::Error("08006", "no connection");
  events_.push_back(event);
}

void FakeBranches::Describe(const FakeBranch &branch, BranchEvent *event) const {
  event->objects = R"("fingerprint":"0.2")";
  for (const std::string &applied : branch.data) {
    event->fingerprint += applied + ";";
    event->objects += ",\"" + applied + "\":\"hash of it\"";
  }
  event->fingerprint += "end";
  event->objects = "{" + event->objects + "}";
}

void FakeBranches::Start(BranchTask task) {
  // Only an unchanged schema is told sooner by it; what is asked of a branch is the same. Where a
  // server stands is asked for beside what is done there.
  const bool beside =
      task.kind == BranchTaskKind::kCatalogVersion || task.kind == BranchTaskKind::kStandpoint;
  if (!beside) started.push_back(task);
  // The pooler is for agents, and for trying out whether they can log in.
  if (task.kind != BranchTaskKind::kWhoAmI) {
    EXPECT_EQ(task.uri.Reveal().find("-pooler"), std::string::npos) << "a task over the pooler";
  }
  std::string branch_id = BranchOf(task.uri);
  auto branch = neon_->branches.find(branch_id);
  if (!next_outcomes.empty()) {
    Finish(task.id, next_outcomes.front());
    next_outcomes.pop_front();
    return;
  }
  if (branch == neon_->branches.end() || neon_->asleep.count(branch_id) > 0) {
    Finish(task.id, BranchOutcome::kNotRun);
    return;
  }
  BranchEvent event;
  event.id = task.id;
  event.outcome = BranchOutcome::kDone;
  if (task.kind == BranchTaskKind::kCatalogVersion) {
    // Unless told to, it says nothing, so that the fingerprint has to.
    if (versions_are_told) Describe(branch->second, &event);
  } else if (task.kind == BranchTaskKind::kFingerprint) {
    if (hold_descriptions) return;
    Describe(branch->second, &event);
    if (!snapshot.empty() && !task.facts.empty()) event.answer = snapshot + " {}";
  } else if (task.kind == BranchTaskKind::kRunOutsideTransaction) {
    RunAlone(task, branch->second);
    return;
  } else if (task.kind == BranchTaskKind::kInspectOutsideTransaction) {
    event.answer = LookAlone(task);
  } else if (task.kind == BranchTaskKind::kRisks) {
    event.answer = risks;
  } else if (task.kind == BranchTaskKind::kTransactionStatus) {
    auto fate = fates.find(task.transaction_id);
    event.fate = fate == fates.end() ? TransactionFate::kTooOld : fate->second;
    if (!next_fates.empty()) {
      event.fate = next_fates.front();
      next_fates.pop_front();
    }
  } else if (task.kind == BranchTaskKind::kDefinitions) {
    for (const std::string &applied : branch->second.data)
      event.answer += (event.answer.empty() ? "" : ",") + ("\"" + applied + "\":") +
                      "\"definition of " + applied + "\"";
    event.answer = "{" + event.answer + "}";
  } else if (task.kind == BranchTaskKind::kGate) {
    const auto answer = gates.find(task.sql);
    event.answer = answer == gates.end() ? "[]" : answer->second;
    if (task.sql.rfind("FAIL", 0) == 0) {
      event.outcome = BranchOutcome::kRejected;
      event.error = Status::Error("42P01", "relation \"orders\" does not exist");
    }
  } else if (task.kind == BranchTaskKind::kMakeRole) {
    MakeRole(task, branch->second, &event);
  } else if (task.kind == BranchTaskKind::kDropRoles) {
    std::erase_if(branch->second.roles,
                  [](const auto &role) { return role.first.rfind(kSessionRolePrefix, 0) == 0; });
    event.answer = "900";
  } else if (task.kind == BranchTaskKind::kWhoAmI) {
    TellWho(task, branch->second, &event);
  } else if (task.kind == BranchTaskKind::kStandpoint) {
    event.answer = Standpoint(branch->second);
  } else if (task.kind == BranchTaskKind::kUnrecorded) {
    event.answer = Unrecorded(branch->second);
  } else {
    RunMigration(task, branch_id, branch->second);
    return;
  }
  events_.push_back(event);
}

void FakeBranches::MakeRole(const BranchTask &task, FakeBranch &branch, BranchEvent *event) {
  if (role_refusals.empty()) {
    branch.roles[task.login_role] = std::string(task.password.Reveal());
    event->answer = "900";
    return;
  }
  event->outcome = BranchOutcome::kRejected;
  event->server_error.sqlstate = role_refusals.front();
  event->error = Status::Error(role_refusals.front(), "no role is made here");
  role_refusals.pop_front();
}

// "postgresql://role:password@…"
void FakeBranches::TellWho(const BranchTask &task, const FakeBranch &branch, BranchEvent *event) {
  const std::string text(task.uri.Reveal());
  const size_t begin = text.find("://") + 3;
  const std::string login = text.substr(begin, text.find('@') - begin);
  const std::string role = login.substr(0, login.find(':'));
  const auto known = branch.roles.find(role);
  if (known != branch.roles.end() && role + ":" + known->second == login && !refuse_logins) {
    event->answer = "[\"" + role + "\",\"" + acts_as + "\"]";
    return;
  }
  event->outcome = BranchOutcome::kNotRun;
  event->error = Status::Error("28P01", "password authentication failed");
}

std::string FakeBranches::Standpoint(const FakeBranch &branch) {
  size_t writes = 1'000 + branch.data.size();
  for (const auto &[table, rows] : branch.rows)
    writes += static_cast<size_t>(rows);
  return R"({"system_identifier":"7","database":"neondb","quiet":true,"unread_sequences":0,)"
         R"("sequences":{},"other_databases":[],"statistics_since":"","changes":{},"next_xid":")" +
         std::to_string(writes) + "\"}";
}

std::string FakeBranches::Unrecorded(const FakeBranch &branch) {
  std::string written;
  for (const auto &[table, rows] : branch.rows)
    written += (written.empty() ? "\"" : ",\"") + table + "\":" + std::to_string(rows);
  return R"({"statistics_since":"","changes":{},"recent_clients":0,"foreign_count":)" +
         std::to_string(branch.rows.size()) + ",\"written\":{" + written + "}}";
}

std::string FakeBranches::Record(const std::vector<std::string> &texts) const {
  int logged = 0;
  for (const std::string &text : texts) {
    auto other = records.find(text);
    if (other != records.end()) return other->second;
    ++logged;
  }
  return R"({"counted":true,"milliseconds":1,"rows":{"public.log":{"inserted":)" +
         std::to_string(logged) + "}}}";
}

void FakeBranches::RunMigration(const BranchTask &task, const std::string &branch_id,
                                const FakeBranch &branch) {
  BranchEvent event;
  event.id = task.id;
  event.outcome = BranchOutcome::kDone;
  std::vector<std::string> texts{task.sql};
  for (const BranchScript &script : task.more)
    texts.push_back(script.sql);
  if (task.sql.rfind("HANG UP", 0) == 0) {
    event.outcome = BranchOutcome::kNotRun;
    event.sent = true;
    event.error = Status::Error("57P01", "terminating connection due to administrator command");
    events_.push_back(event);
    return;
  }
  for (size_t n = 0; n < texts.size(); ++n) {
    const bool own = IsOwn(texts[n]);
    if (texts[n].rfind("FAIL", 0) != 0 && (own || fail_on.count(branch_id) == 0)) continue;
    event.outcome = BranchOutcome::kRejected;
    event.error = Status::Error(fail_with, "relation does not exist");
    event.server_error.sqlstate = fail_with;
    event.server_error.message = "relation \"orders\" does not exist";
    event.server_error.line = 2;
    event.server_error.column = 7;
    event.completed = 0;
    event.script = n;
    events_.push_back(event);
    return;
  }
  std::erase_if(texts,
                [](const std::string &text) { return text.rfind("READ", 0) == 0 || IsOwn(text); });
  Open open{branch_id, texts, std::to_string(next_transaction_++)};
  if (texts.empty()) open.transaction_id.clear();
  fates[open.transaction_id] = TransactionFate::kInProgress;
  open_[task.id] = open;
  if (hold_migrations) return;
  event.kind = BranchEvent::Kind::kReadyToCommit;
  event.transaction_id = open.transaction_id;
  event.rows = 5;
  if (task.record) event.record = Record(texts);
  if (task.prove) {
    FakeBranch after = branch;
    after.data.insert(after.data.end(), texts.begin(), texts.end());
    Describe(after, &event);
  }
  events_.push_back(event);
}

void FakeBranches::RunAlone(const BranchTask &task, FakeBranch &branch) {
  if (task.sql.rfind("DROP INDEX", 0) == 0) {
    indexes.erase(NameOfIndex(task));
  } else if (fail_alone > 0) {
    --fail_alone;
    if (task.non_transactional.kind != NonTransactional::kRepeatable)
      indexes[NameOfIndex(task)] = "half";
    BranchEvent event;
    event.id = task.id;
    event.outcome = BranchOutcome::kRejected;
    event.server_error.sqlstate = "23505";
    event.server_error.message = "could not create unique index";
    events_.push_back(event);
    return;
  } else if (lose_commits > 0) {
    --lose_commits;
    if (task.non_transactional.kind != NonTransactional::kRepeatable)
      indexes[NameOfIndex(task)] = "half";
    Finish(task.id, BranchOutcome::kCommitUnknown);
    return;
  } else {
    branch.data.push_back(task.sql);
    if (task.non_transactional.kind == NonTransactional::kCreateIndex)
      indexes[task.non_transactional.object] = "there";
  }
  if (lose_commit_answers == 0) {
    Finish(task.id, BranchOutcome::kDone);
    return;
  }
  --lose_commit_answers;
  Finish(task.id, BranchOutcome::kCommitUnknown);
}

std::string FakeBranches::LookAlone(const BranchTask &task) {
  if (running_looks > 0) {
    --running_looks;
    return std::string(kAloneRunning);
  }
  auto found = indexes.find(NameOfIndex(task));
  if (found == indexes.end() && task.non_transactional.kind == NonTransactional::kReindex)
    return std::string(kAloneThere);
  return found == indexes.end() ? std::string(kAloneAbsent)
                                : found->second + " public." + found->first;
}

void FakeBranches::Commit(uint64_t id) {
  auto found = open_.find(id);
  if (found == open_.end()) return;
  Open open = found->second;
  open_.erase(found);
  bool done = lose_commits == 0;
  auto branch = neon_->branches.find(open.branch_id);
  if (done && branch != neon_->branches.end() && !open.transaction_id.empty())
    branch->second.data.insert(branch->second.data.end(), open.texts.begin(), open.texts.end());
  fates[open.transaction_id] = done ? TransactionFate::kCommitted : TransactionFate::kAborted;
  if (lose_commits > 0) {
    --lose_commits;
    Finish(id, BranchOutcome::kCommitUnknown);
  } else if (lose_commit_answers > 0) {
    --lose_commit_answers;
    Finish(id, BranchOutcome::kCommitUnknown);
  } else {
    Finish(id, BranchOutcome::kDone);
  }
}

void FakeBranches::Cancel(uint64_t id) {
  auto found = open_.find(id);
  if (found != open_.end()) {
    fates[found->second.transaction_id] = TransactionFate::kAborted;
    open_.erase(found);
  }
  events_.erase(std::remove_if(events_.begin(), events_.end(),
                               [id](const BranchEvent &event) { return event.id == id; }),
                events_.end());
}

void FakeBranches::HangUp() {
  for (const auto &[id, open] : open_)
    fates[open.transaction_id] = TransactionFate::kAborted;
  open_.clear();
  events_.clear();
}

}  // namespace agent_branch
