#include "worker/branch/login_roles.hpp"

#include <algorithm>

#include "worker/branch/look_query.hpp"

namespace agent_branch {
namespace {

// They become parts of a text, so they hold nothing that would need quotes.
bool IsPlain(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

std::string Transaction(const BranchTask &task, const std::string &body) {
  const auto timeout = [](const char *name, std::chrono::milliseconds value) {
    const long long most = 2'147'483'647;
    return "SET LOCAL " + std::string(name) + " = " +
           std::to_string(std::clamp<long long>(value.count(), 1, most)) + "; ";
  };
  return "BEGIN; " + timeout("statement_timeout", task.statement_timeout) +
         timeout("lock_timeout", task.lock_timeout) +
         "SET LOCAL search_path = pg_catalog, pg_temp; "
         "SET LOCAL standard_conforming_strings = on; DO $agent_branch$" +
         body + "$agent_branch$; SELECT pg_current_xact_id()::text; COMMIT; ";
}

// Attributes that a role has not been given it has not; said all the same, so that a role of the
// name that somebody else made has no more.
std::string MakeRole(const BranchTask &task, const std::string &secret) {
  const std::string rights = task.only_reads ? R"(
  GRANT pg_read_all_data TO $role;
  ALTER ROLE $role SET default_transaction_read_only = on;)"
                                             : R"(
  EXECUTE format('GRANT %I TO $role', current_user);
  EXECUTE format('ALTER ROLE $role SET role = %L', current_user);)";
  std::string body = R"(
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$role') THEN CREATE ROLE $role; END IF;
  ALTER ROLE $role LOGIN INHERIT NOCREATEDB NOCREATEROLE PASSWORD $secret;)" +
                     rights + R"(
END
)";
  const auto replace = [&body](const std::string &name, const std::string &value) {
    for (size_t at = 0; (at = body.find(name, at)) != std::string::npos; at += value.size())
      body.replace(at, name.size(), value);
  };
  replace("$role", task.login_role);
  replace("$secret", Literal(secret));
  return body;
}

// Of all sessions: one that a crash left on a parent would come along with each fork. No role can
// be a member of its member, and only who has a role's rights may end its connections and give away
// what it owns; a superuser has everybody's.
std::string LockOut() {
  return R"(
DECLARE
  login text;
  held text;
BEGIN
  FOR login IN SELECT rolname FROM pg_roles WHERE rolname ~ )" +
         std::string(kSessionRole) + R"( LOOP
    EXECUTE format('ALTER ROLE %I NOLOGIN', login);
    FOR held IN SELECT pg_get_userbyid(m.roleid) FROM pg_auth_members AS m
      WHERE m.member = to_regrole(quote_ident(login)) LOOP
      EXECUTE format('REVOKE %I FROM %I', held, login);
    END LOOP;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
      EXECUTE format('GRANT %I TO %I', login, current_user);
    END IF;
  END LOOP;
END
)";
}

// A backend that began to log in before it was locked out is there to be seen by now.
std::string Drop() {
  return R"(
DECLARE
  login text;
BEGIN
  FOR login IN SELECT rolname FROM pg_roles WHERE rolname ~ )" +
         std::string(kSessionRole) + R"( LOOP
    PERFORM pg_terminate_backend(a.pid, 5000) FROM pg_stat_activity AS a WHERE a.usename = login;
    PERFORM pg_stat_clear_snapshot();
    IF EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.usename = login) THEN
      RAISE EXCEPTION 'a connection of the agent does not end' USING ERRCODE = '55006';
    END IF;
    EXECUTE format('REASSIGN OWNED BY %I TO %I', login, current_user);
    EXECUTE format('DROP OWNED BY %I', login);
    EXECUTE format('DROP ROLE %I', login);
  END LOOP;
END
)";
}

Result<std::string> MakeRoleText(const BranchTask &task, const Connection &connection) {
  if (!IsPlain(task.login_role) || !IsPlain(task.password.Reveal()))
    return Status::Error("22023", "a role of ours has another name or password");
  if (task.clear_password)
    return Transaction(task, MakeRole(task, std::string(task.password.Reveal())));
  Result<std::string> verifier = connection.PasswordVerifier(task.login_role, task.password);
  if (!verifier.ok()) return verifier;
  return Transaction(task, MakeRole(task, *verifier));
}

}  // namespace

bool IsOfLoginRoles(const BranchTask &task) {
  return task.kind == BranchTaskKind::kMakeRole || task.kind == BranchTaskKind::kDropRoles ||
         task.kind == BranchTaskKind::kWhoAmI;
}

Result<std::string> LoginRoleText(const BranchTask &task, const Connection &connection) {
  switch (task.kind) {
    case BranchTaskKind::kMakeRole:
      return MakeRoleText(task, connection);
    case BranchTaskKind::kDropRoles:
      return Transaction(task, LockOut()) + Transaction(task, Drop());
    default:
      return std::string("SELECT pg_catalog.jsonb_build_array(session_user, current_user)::text");
  }
}

}  // namespace agent_branch
