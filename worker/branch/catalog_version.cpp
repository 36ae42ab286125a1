#include "worker/branch/catalog_version.hpp"

#include "worker/branch/fingerprint_parts.hpp"

namespace agent_branch {
namespace {

constexpr const char *kCatalogs[] = {"pg_aggregate",
                                     "pg_am",
                                     "pg_amop",
                                     "pg_amproc",
                                     "pg_attrdef",
                                     "pg_attribute",
                                     "pg_auth_members",
                                     "pg_cast",
                                     "pg_class",
                                     "pg_collation",
                                     "pg_constraint",
                                     "pg_conversion",
                                     "pg_database",
                                     "pg_db_role_setting",
                                     "pg_default_acl",
                                     "pg_depend",
                                     "pg_description",
                                     "pg_enum",
                                     "pg_event_trigger",
                                     "pg_extension",
                                     "pg_foreign_data_wrapper",
                                     "pg_foreign_server",
                                     "pg_foreign_table",
                                     "pg_index",
                                     "pg_inherits",
                                     "pg_init_privs",
                                     "pg_language",
                                     "pg_largeobject_metadata",
                                     "pg_namespace",
                                     "pg_opclass",
                                     "pg_operator",
                                     "pg_opfamily",
                                     "pg_partitioned_table",
                                     "pg_policy",
                                     "pg_proc",
                                     "pg_publication",
                                     "pg_publication_rel",
                                     "pg_range",
                                     "pg_rewrite",
                                     "pg_seclabel",
                                     "pg_sequence",
                                     "pg_shdepend",
                                     "pg_shdescription",
                                     "pg_shseclabel",
                                     "pg_statistic_ext",
                                     "pg_tablespace",
                                     "pg_transform",
                                     "pg_trigger",
                                     "pg_ts_config",
                                     "pg_ts_config_map",
                                     "pg_ts_dict",
                                     "pg_ts_parser",
                                     "pg_ts_template",
                                     "pg_type"};

// Since 15.
constexpr const char *kLaterCatalogs[] = {"pg_parameter_acl", "pg_publication_namespace"};

// age() counts back from the next transaction id, which moves; the id itself, but for a constant,
// does not. It is reckoned from two ages, since an xid casts to a number by way of text only, which
// takes twice the time of the whole hash. Below 3 are the ids of initdb, infinitely old.
constexpr const char *kRowHash =
    "hashtidextended(ctid, CASE age(xmin) WHEN 2147483647 THEN -1 ELSE "
    "(age('3'::xid)::int8 - age(xmin)) & 4294967295 END)";

std::string Catalog(const std::string &name, int version) {
  return "SELECT '" + name + "' AS name, count(*) AS rows, " +
         Since(version, 140000, ("bit_xor(" + std::string(kRowHash) + ")::text").c_str(),
               "sum(hashtextextended(ctid::text || xmin::text, 0))::text") +
         " AS hash, min(age(xmin)) AS age FROM " + name;
}

// Of what only a superuser can read the catalog, what everybody is shown.
std::string View(const std::string &name, const std::string &row) {
  return "SELECT '" + name + "', count(*), sum(hashtextextended((" + row +
         ")::text, 0))::text, NULL FROM " + name;
}

}  // namespace

std::string CatalogVersionQuery(int server_version_num) {
  std::string parts = View("pg_roles", "ROW(pg_roles, " + std::string(kPasswordMark) + ")") +
                      " UNION ALL " + View("pg_user_mappings", "pg_user_mappings") + " UNION ALL " +
                      View("pg_subscription s", "ROW(s.subname, s.subdbid, s.subowner, " +
                                                    SubscriptionColumns(server_version_num) + ")");
  std::string catalogs;
  for (const char *name : kCatalogs)
    catalogs += (catalogs.empty() ? "" : " UNION ALL ") + Catalog(name, server_version_num);
  for (const char *name : kLaterCatalogs) {
    if (server_version_num >= 150000) {
      catalogs += " UNION ALL " + Catalog(name, server_version_num);
    }
  }
  return "SELECT md5(concat_ws(',', (SELECT system_identifier FROM pg_control_system()), "
         "string_agg(concat_ws(' ', name, rows, hash), ',' ORDER BY name COLLATE \"C\"))), '{}', "
         "(" +
         std::string(kNextXid) + " - min(age))::text FROM (" + catalogs + " UNION ALL " + parts +
         ") AS catalogs";
}

}  // namespace agent_branch
