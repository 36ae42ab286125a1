#include "worker/branch/fingerprint_parts.hpp"

namespace agent_branch {
namespace {

constexpr const char *kNeither = R"(, NULL::oid, NULL::"char", NULL::aclitem[])";

// The one that is looked at has no name here: it may be compared with one that has another.
constexpr const char *kDatabaseName =
    "CASE WHEN d.datname <> current_database() THEN quote_ident(d.datname) END";

// All of them: a restore replaces them all. What is inside the others needs a connection there.
std::string Databases(int version) {
  const std::string locale =
      Since(version, 170000, "d.datlocale", Since(version, 150000, "d.daticulocale").c_str());
  return "SELECT 'database', " + std::string(kDatabaseName) + R"(,
  concat_ws(' ', 'encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype',
    d.datctype, 'connections', d.datconnlimit,
    CASE WHEN NOT d.datallowconn THEN 'no connections' END,
    CASE WHEN d.datistemplate THEN 'template' END,
    'tablespace', (SELECT spcname FROM pg_tablespace WHERE oid = d.dattablespace),
    'provider ' || )" +
         Since(version, 150000, "d.datlocprovider::text") + ", 'locale ' || " + locale +
         ", 'rules ' || " + Since(version, 160000, "d.daticurules") + R"(),
  d.datdba, 'd'::"char", d.datacl
FROM pg_database d)";
}

std::string Settings() {
  return R"(
SELECT 'settings', concat_ws(' ', 'of',
         CASE WHEN s.setrole <> 0 THEN 'role ' || quote_ident(pg_get_userbyid(s.setrole)) END,
         CASE WHEN s.setdatabase <> 0 THEN concat_ws(' ', 'database', )" +
         std::string(kDatabaseName) + ") END), " + SortedOptions("s.setconfig") + kNeither + R"(
FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE pg_get_userbyid(s.setrole) !~ )" +
         kNeonRole + " AND NOT (pg_get_userbyid(s.setrole) ~ " + kReaderRole + R"(
  AND s.setdatabase = 0 AND s.setconfig = '{default_transaction_read_only=on}'))";
}

// Predefined roles are the server's, but not who is a member of them.
std::string Roles(int version) {
  return R"(
SELECT 'role', quote_ident(r.rolname),
  concat_ws(' ', CASE WHEN r.rolsuper THEN 'superuser' END,
    CASE WHEN NOT r.rolinherit THEN 'noinherit' END,
    CASE WHEN r.rolcreaterole THEN 'createrole' END, CASE WHEN r.rolcreatedb THEN 'createdb' END,
    CASE WHEN r.rolcanlogin THEN 'login' END, CASE WHEN r.rolreplication THEN 'replication' END,
    CASE WHEN r.rolbypassrls THEN 'bypassrls' END, 'connections', r.rolconnlimit,
    'valid until ' || r.rolvaliduntil))" +
         std::string(kNeither) + R"(
FROM pg_roles r WHERE r.rolname !~ '^pg_' AND r.rolname !~ )" +
         kNeonRole + " AND NOT (r.rolname ~ " + kReaderRole +
         R"( AND r.rolinherit AND NOT (r.rolsuper
  OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls))
UNION ALL
SELECT 'password', 'of role ' || quote_ident(rolname), password.mark)" +
         kNeither + " FROM pg_roles, LATERAL (SELECT " + PasswordMark("pg_roles") +
         R"( AS mark) password
WHERE password.mark IS NOT NULL AND rolname !~ '^pg_' AND rolname !~ )" +
         kNeonRole + " AND rolname !~ " + kReaderRole + R"(
UNION ALL
SELECT 'membership', format('of %I in %I', pg_get_userbyid(a.member), pg_get_userbyid(a.roleid)),
  concat_ws(' ', 'by', quote_ident(pg_get_userbyid(a.grantor)),
    CASE WHEN a.admin_option THEN 'with admin option' END)" +
         Since(version, 160000,
               ", CASE WHEN a.inherit_option THEN 'with inherit option' END,"
               " CASE WHEN a.set_option THEN 'with set option' END",
               "") +
         ")" + kNeither + R"(
FROM pg_auth_members a
WHERE pg_get_userbyid(a.member) !~ '^pg_' AND pg_get_userbyid(a.member) !~ )" +
         kNeonRole + " AND NOT (pg_get_userbyid(a.member) ~ " + kReaderRole + R"(
  AND pg_get_userbyid(a.roleid) = 'pg_read_all_data' AND NOT a.admin_option))";
}

std::string Parameters(int version) {
  if (version < 150000) return {};
  return R"( UNION ALL
SELECT 'parameter', p.parname, ''::text, 10::oid, 'p'::"char", p.paracl FROM pg_parameter_acl p)";
}

// One object: there may be millions, and what is in them only a superuser can read.
std::string LargeObjects() {
  return R"(
SELECT 'large objects', NULL, concat(count(*), ' ', md5(string_agg(concat_ws(' ', l.oid,
         pg_get_userbyid(l.lomowner), )" +
         AclText("l.lomacl") + "), ',' ORDER BY l.oid)))" + kNeither + R"(
FROM pg_largeobject_metadata l HAVING count(*) > 0)";
}

std::string Comments() {
  return R"(
SELECT s.kind, CASE WHEN s.classoid = 'pg_database'::regclass
                 THEN concat_ws(' ', 'database', )" +
         std::string(kDatabaseName) + R"()
                 ELSE 'role ' || quote_ident(pg_get_userbyid(s.objoid)) END,
  s.text)" +
         kNeither + R"(
FROM (SELECT 'comment on', classoid, objoid, description FROM pg_shdescription
      UNION ALL
      SELECT 'security label on', classoid, objoid, concat_ws(' ', provider, label)
      FROM pg_shseclabel) s (kind, classoid, objoid, text)
LEFT JOIN pg_database d ON s.classoid = 'pg_database'::regclass AND d.oid = s.objoid
WHERE d.oid IS NOT NULL
   OR (s.classoid = 'pg_authid'::regclass AND pg_get_userbyid(s.objoid) !~ '^pg_'
       AND pg_get_userbyid(s.objoid) !~ )" +
         kNeonRole + ")";
}

}  // namespace

std::vector<FingerprintPart> ClusterParts(int version) {
  return {{Databases(version), true},
          {Settings()},
          {Roles(version) + Parameters(version), true},
          {LargeObjects()},
          {Comments()}};
}

}  // namespace agent_branch
