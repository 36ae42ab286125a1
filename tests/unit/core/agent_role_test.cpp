#include "worker/core/session/agent_role.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/core/engine_driver.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

// A driver whose project's agents get roles of their own.
std::unique_ptr<EngineDriver> Isolated(RoleIsolation isolation = RoleIsolation::kWherePossible) {
  auto driver = std::make_unique<EngineDriver>();
  driver->store.projects.at(1).isolation = isolation;
  driver->Restart();
  return driver;
}

// Of the session: "access direct|pooled login", in this order; a login is a role's, without its
// password.
Strings Credentials(const EngineDriver &driver, int64_t session_id) {
  Strings all;
  for (const CredentialRow &row : driver.store.credentials) {
    if (row.session_id != session_id) continue;
    const std::string uri(row.uri.Reveal());
    const size_t begin = uri.find("://") + 3;
    all.push_back((row.access.empty() ? "agent" : row.access) +
                  (row.pooled ? " pooled " : " direct ") +
                  uri.substr(begin, uri.find_first_of(":@", begin) - begin));
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string UriOf(const EngineDriver &driver, int64_t session_id) {
  for (const CredentialRow &row : driver.store.credentials) {
    if (row.session_id == session_id && row.access.empty() && !row.pooled)
      return std::string(row.uri.Reveal());
  }
  return {};
}

TEST(AgentRole, TheAgentGetsItsOwnUrisAndTheWorkerKeepsTheProjects) {
  const auto driver = Isolated();
  const int64_t id = driver->ReadySession("one");
  const std::string role = SessionRole(driver->Row(id));
  EXPECT_EQ(role.size(),
            kSessionRolePrefix.size() + driver->Row(id).uuid.size() -
                std::count(driver->Row(id).uuid.begin(), driver->Row(id).uuid.end(), '-'));
  EXPECT_EQ(Credentials(*driver, id), (Strings{"agent direct " + role, "agent pooled " + role,
                                               "worker direct owner", "worker pooled owner"}));
  EXPECT_EQ(driver->Row(id).role_branch_id, "br-1");
  EXPECT_EQ(driver->Row(id).shared_role, "");
  EXPECT_EQ(driver->BranchOf(id)->roles.count(role), 1u);
  EXPECT_TRUE(driver->neon.Dev().roles.empty());
  EXPECT_TRUE(driver->Row(id).settled);
}

TEST(AgentRole, WhatALoginComesToIsTriedOnceForAProject) {
  const auto driver = Isolated();
  driver->ReadySession("one");
  driver->ReadySession("two");
  size_t tried = 0;
  for (const BranchTask &task : driver->branches.started)
    tried += task.kind == BranchTaskKind::kWhoAmI ? 1 : 0;
  EXPECT_EQ(tried, 2u);  // direct, and by the pooler
}

TEST(AgentRole, WhereNoneMayBeMadeTheAgentHasTheProjectsRoleAndIsTold) {
  const auto driver = Isolated();
  driver->branches.role_refusals = {"42501"};
  const int64_t id = driver->ReadySession("one");
  EXPECT_EQ(Credentials(*driver, id), (Strings{"agent direct owner", "agent pooled owner"}));
  EXPECT_NE(driver->Row(id).shared_role.find("no role is made here"), std::string::npos);
  EXPECT_EQ(driver->Row(id).role_branch_id, "");
  // It is not asked again for the next one.
  const int64_t other = driver->ReadySession("two");
  EXPECT_NE(driver->Row(other).shared_role, "");
  EXPECT_TRUE(driver->BranchOf(other)->roles.empty());
}

TEST(AgentRole, WhoInsistsOnARoleGetsAnErrorAndNoSession) {
  const auto driver = Isolated(RoleIsolation::kAlways);
  driver->branches.role_refusals = {"42501"};
  const int64_t id = driver->store.CreateSession("one", driver->InAnHour());
  ASSERT_TRUE(driver->RunUntilState(id, SessionState::kFailed));
  EXPECT_NE(driver->Row(id).error.find("no role is made here"), std::string::npos);
  EXPECT_NE(driver->Row(id).error_hint.find("isolate_role"), std::string::npos);
  for (const std::string &credential : Credentials(*driver, id))
    EXPECT_EQ(credential.rfind("worker", 0), 0u) << credential;
}

TEST(AgentRole, AServerThatWantsToSeeThePasswordIsShownIt) {
  const auto driver = Isolated();
  driver->branches.role_refusals = {"22023"};
  const int64_t id = driver->ReadySession("one");
  EXPECT_EQ(driver->Row(id).role_branch_id, "br-1");
  std::vector<bool> clear;
  for (const BranchTask &task : driver->branches.started)
    if (task.kind == BranchTaskKind::kMakeRole) clear.push_back(task.clear_password);
  EXPECT_EQ(clear, (std::vector<bool>{false, true}));
}

TEST(AgentRole, ARoleThatCannotLogInIsTakenAwayAgain) {
  for (const bool logs_in : {false, true}) {
    const auto driver = Isolated();
    driver->branches.refuse_logins = !logs_in;
    if (logs_in) driver->branches.acts_as = "somebody else";
    const int64_t id = driver->ReadySession("one");
    EXPECT_EQ(Credentials(*driver, id), (Strings{"agent direct owner", "agent pooled owner"}));
    EXPECT_TRUE(driver->BranchOf(id)->roles.empty());
    EXPECT_NE(driver->Row(id).shared_role, "");
  }
}

TEST(AgentRole, ARestoreIsSentOnceTheRoleIsGone) {
  const auto driver = Isolated();
  const int64_t id = driver->MigratedSession("one", "m1");
  driver->store.Merge(id, "restore");
  ASSERT_TRUE(driver->RunUntilFinished(id)) << driver->Row(id).error;
  EXPECT_EQ(driver->neon.Dev().data, Strings{"m1"});
  EXPECT_TRUE(driver->neon.Dev().roles.empty());
}

// Somebody deletes it right before the role is to be dropped there: nobody else would find out.
TEST(AgentRole, ABranchThatIsGoneEndsTheMergeThatWouldTakeTheRoleAway) {
  const auto driver = Isolated();
  const int64_t id = driver->MigratedSession("one", "m1");
  driver->store.Merge(id, "restore");
  ASSERT_TRUE(driver->RunUntil([&] { return driver->neon.Count("PATCH /branches/br-1") == 1; }));
  ASSERT_TRUE(driver->RunUntil([&] {
    return std::any_of(driver->store.steps.begin(), driver->store.steps.end(), [](const auto &s) {
      return s.second.kind == StepKind::kDropRole && s.second.status == "intended";
    });
  }));
  driver->neon.branches.erase(driver->Row(id).branch_id);
  ASSERT_TRUE(driver->RunUntilState(id, SessionState::kFailed)) << driver->Row(id).error;
  EXPECT_TRUE(driver->neon.Dev().data.empty());
}

TEST(AgentRole, ACandidateNeverHasOne) {
  const auto driver = Isolated();
  const int64_t id = driver->MigratedSession("one", "m1");
  driver->branches.started.clear();
  driver->store.Merge(id, "candidate");
  ASSERT_TRUE(driver->RunUntilFinished(id)) << driver->Row(id).error;
  EXPECT_EQ(driver->neon.Dev().data, Strings{"m1"});
  EXPECT_TRUE(driver->neon.Dev().roles.empty());
  for (const BranchTask &task : driver->branches.started)
    EXPECT_NE(task.kind, BranchTaskKind::kMakeRole);
}

TEST(AgentRole, AfterARefusedRestoreTheAgentHasOneAgain) {
  const auto driver = Isolated();
  const int64_t id = driver->MigratedSession("one", "m1");
  const std::string before = UriOf(*driver, id);
  driver->neon.Dev().data.push_back("of somebody else");
  driver->store.Merge(id, "restore");
  ASSERT_TRUE(driver->RunUntilState(id, SessionState::kConflict));
  ASSERT_TRUE(driver->RunUntil([&] { return !driver->Row(id).role_branch_id.empty(); }));
  driver->RunUntilIdle();
  EXPECT_EQ(driver->BranchOf(id)->roles.size(), 1u);
  EXPECT_NE(UriOf(*driver, id), before);
  EXPECT_EQ(Credentials(*driver, id).size(), 4u);
}

TEST(AgentRole, ARotationMakesAnotherPasswordAndIsNobodysWork) {
  const auto driver = Isolated();
  const int64_t id = driver->ReadySession("one");
  const std::string before = UriOf(*driver, id);
  driver->store.Rotate(id);
  ASSERT_TRUE(driver->RunUntil([&] {
    const std::string uri = UriOf(*driver, id);
    return !uri.empty() && uri != before && driver->Row(id).settled;
  }));
  EXPECT_NE(driver->store.forks.at(id).branch.find("\"own_transactions\":[[900,901]]"),
            std::string::npos)
      << driver->store.forks.at(id).branch;
}

TEST(AgentRole, ALostPasswordIsReplacedAndARebasedBranchHasItsOwnRole) {
  const auto driver = Isolated();
  const int64_t id = driver->MigratedSession("one", "m1");
  const std::string before = UriOf(*driver, id);
  driver->store.LoseCredentials();
  driver->Restart();
  ASSERT_TRUE(driver->RunUntil([&] { return !UriOf(*driver, id).empty(); }));
  driver->RunUntilIdle();
  EXPECT_NE(UriOf(*driver, id), before);
  EXPECT_EQ(Credentials(*driver, id).size(), 4u);
  driver->store.Rebase(id);
  ASSERT_TRUE(driver->RunUntil([&] {
    return driver->Row(id).state == SessionState::kReady && driver->Row(id).settled &&
           driver->Row(id).branch_id != "br-1";
  }));
  EXPECT_EQ(driver->Row(id).role_branch_id, driver->Row(id).branch_id);
  EXPECT_EQ(driver->BranchOf(id)->roles.size(), 1u);
}

}  // namespace
}  // namespace agent_branch
