// The login roles of agents, on a server: as an owner without superuser's rights makes them, as at
// Neon.
#include "worker/branch/login_roles.hpp"
#include "tests/branch/test_support.hpp"

namespace agent_branch::testing {
namespace {

constexpr char kRole[] = "agent_branch_session_0123456789abcdef0123456789abcdef";
constexpr char kReaderName[] = "agent_branch_reader_0123456789abcdef0123456789abcdef";
constexpr char kPassword[] = "aB3_somethingOfOurOwnMaking";

class LoginRoles : public ::testing::Test {
 protected:
  LoginRoles() : admin_(database_.uri()) {
    // Since 16 a role gives itself away only where somebody gave it that right over itself.
    const bool rules_itself = std::stoi(admin_.Query("SHOW server_version_num")) < 160000;
    admin_.Query(std::string("CREATE ROLE roles_owner LOGIN ") +
                 (rules_itself ? "CREATEROLE CREATEDB BYPASSRLS" : "SUPERUSER") + " PASSWORD 'x'");
    admin_.Query("ALTER DATABASE " + database_.name() + " OWNER TO roles_owner");
    owner_ = ServerUri(database_.name(), "roles_owner", "x");
  }
  ~LoginRoles() override {
    for (const char *role : {kRole, kReaderName}) {
      admin_.Try("DROP OWNED BY " + std::string(role));
      admin_.Try("DROP ROLE IF EXISTS " + std::string(role));
    }
    admin_.Try("REASSIGN OWNED BY roles_owner TO postgres");
    admin_.Try("DROP ROLE roles_owner");
  }

  BranchEvent Run(BranchTask task) {
    LibpqBranchRunner runner(nullptr);
    runner.Start(std::move(task));
    return NextEvent(&runner);
  }
  BranchTask Make(const char *role, bool clear = false) {
    BranchTask task = FingerprintTask(1, owner_);
    task.kind = BranchTaskKind::kMakeRole;
    task.login_role = role;
    task.password = Secret(kPassword);
    task.clear_password = clear;
    task.only_reads = role == std::string(kReaderName);
    return task;
  }
  std::string Fingerprint() { return Run(FingerprintTask(1, owner_)).fingerprint; }

  TestDatabase database_;
  Client admin_;
  std::string owner_;
};

TEST_F(LoginRoles, OneActsAsItsOwnerAndIsInNoFingerprint) {
  const std::string before = Fingerprint();
  for (const bool clear : {true, false}) {  // the second time it has its password set anew
    const BranchEvent made = Run(Make(kRole, clear));
    ASSERT_EQ(made.outcome, BranchOutcome::kDone) << made.error.message();
    EXPECT_EQ(admin_.Query("SELECT pg_xact_status('" + made.answer + "')"), "committed");
  }
  EXPECT_EQ(Fingerprint(), before);
  BranchTask task = FingerprintTask(1, ServerUri(database_.name(), kRole, kPassword));
  task.kind = BranchTaskKind::kWhoAmI;
  EXPECT_EQ(Run(task).answer, "[\"" + std::string(kRole) + "\", \"roles_owner\"]");
  // The verifier that the server keeps is not the password.
  EXPECT_EQ(admin_.Query("SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname = '" +
                         std::string(kRole) + "'"),
            "SCRAM-SHA-256$");
}

TEST_F(LoginRoles, OneThatTheOwnerMayNotMakeIsRefused) {
  admin_.Query("ALTER ROLE roles_owner NOSUPERUSER NOCREATEROLE");
  const BranchEvent made = Run(Make(kRole));
  EXPECT_EQ(made.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(made.error.sqlstate(), "42501");
  EXPECT_EQ(
      admin_.Query("SELECT count(*) FROM pg_roles WHERE rolname = '" + std::string(kRole) + "'"),
      "0");
}

TEST_F(LoginRoles, TheServerIsSentWhatProvesThePasswordAndNotThePassword) {
  LibpqBranchRunner runner(nullptr);
  runner.Start(Make(kRole));
  ASSERT_EQ(NextEvent(&runner).outcome, BranchOutcome::kDone);
  const std::string sent =
      admin_.Query("SELECT query FROM pg_stat_activity WHERE usename = 'roles_owner'");
  EXPECT_NE(sent.find("SCRAM-SHA-256$4096:"), std::string::npos) << sent;
  EXPECT_EQ(sent.find(kPassword), std::string::npos) << sent;
}

TEST_F(LoginRoles, TakenAwayItLeavesWhatItOwnedToTheOwner) {
  Run(Make(kRole));
  const std::string uri = ServerUri(database_.name(), kRole, kPassword);
  Client agent(uri);
  agent.Query(
      "CREATE TABLE shared (n int); SET ROLE NONE; CREATE TABLE own (n int); RESET ROLE; "
      "GRANT SELECT ON shared TO " +
      std::string(kRole) + "; CREATE ROLE roles_between IN ROLE roles_owner; GRANT " +
      "roles_between TO " + kRole);
  BranchTask task = FingerprintTask(1, owner_);
  task.kind = BranchTaskKind::kDropRoles;
  const BranchEvent gone = Run(task);
  ASSERT_EQ(gone.outcome, BranchOutcome::kDone) << gone.error.message() << gone.error.detail();
  EXPECT_NE(agent.Try("SELECT 1"), "");
  EXPECT_EQ(admin_.Query("SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',') FROM pg_class "
                         "WHERE relname IN ('own', 'shared')"),
            "roles_owner");
  EXPECT_EQ(
      admin_.Query("SELECT count(*) FROM pg_roles WHERE rolname ~ " + std::string(kSessionRole)),
      "0");
  EXPECT_EQ(admin_.Query("SELECT count(*) FROM pg_auth_members WHERE member = "
                         "'roles_owner'::regrole"),
            "0");
  admin_.Query("DROP ROLE roles_between");
  EXPECT_EQ(Run(task).outcome, BranchOutcome::kDone) << "there is none any more";
}

TEST_F(LoginRoles, AReaderReadsAndIsSeenOnceItMayDoMore) {
  admin_.Query(
      "CREATE TABLE secrets (n int); INSERT INTO secrets VALUES (1); "
      "ALTER TABLE secrets OWNER TO roles_owner");
  const std::string before = Fingerprint();
  ASSERT_EQ(Run(Make(kReaderName)).outcome, BranchOutcome::kDone);
  EXPECT_EQ(Fingerprint(), before);
  Client reader(ServerUri(database_.name(), kReaderName, kPassword));
  EXPECT_EQ(reader.Query("SELECT n FROM secrets"), "1");
  for (const char *sql :
       {"INSERT INTO secrets VALUES (2)", "CREATE TABLE t ()", "CREATE TEMPORARY TABLE t ()",
        "SET default_transaction_read_only = off; "
        "UPDATE secrets SET n = 2",
        "SET ROLE roles_owner"})
    EXPECT_NE(reader.Try(sql), "") << sql;
  for (const char *sql : {"GRANT roles_owner TO $role", "ALTER ROLE $role CREATEROLE",
                          "ALTER ROLE $role SET search_path = public"}) {
    std::string text = sql;
    text.replace(text.find("$role"), 5, kReaderName);
    admin_.Query("BEGIN; " + text);
    admin_.Query("COMMIT");
    EXPECT_NE(Fingerprint(), before) << sql;
    admin_.Query("REVOKE roles_owner FROM " + std::string(kReaderName));
    admin_.Query("ALTER ROLE " + std::string(kReaderName) + " NOCREATEROLE");
    admin_.Query("ALTER ROLE " + std::string(kReaderName) + " RESET search_path");
  }
  EXPECT_EQ(Fingerprint(), before);
}

TEST_F(LoginRoles, WhoMayNotMakeOneIsToldSo) {
  admin_.Query("ALTER ROLE roles_owner NOCREATEROLE");
  const BranchEvent event = Run(Make(kRole));
  EXPECT_EQ(event.outcome, BranchOutcome::kRejected);
  EXPECT_EQ(event.server_error.sqlstate, "42501");
  EXPECT_EQ(event.error.message().find(kPassword), std::string::npos);
}

TEST_F(LoginRoles, NoOtherNamesAndPasswordsBecomePartOfAText) {
  for (const char *name : {"", "x; DROP TABLE t", "Ro\"le"}) {
    BranchTask task = Make(kRole);
    task.login_role = name;
    EXPECT_EQ(Run(task).outcome, BranchOutcome::kNotRun) << name;
  }
  BranchTask task = Make(kRole);
  task.password = Secret("o'er");
  EXPECT_EQ(Run(task).outcome, BranchOutcome::kNotRun);
}

}  // namespace
}  // namespace agent_branch::testing
