#include "worker/branch/catalog_version.hpp"

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
constexpr const char *kPublicationSchemas = "pg_publication_namespace";

std::string Catalog(const std::string &name) {
  return "SELECT '" + name +
         "' AS name, count(*) AS rows, sum(hashtextextended(ctid::text || xmin::text, 0)) AS hash "
         "FROM " +
         name;
}

// Of what only a superuser can read the catalog, what everybody is shown.
std::string View(const std::string &name, const std::string &row) {
  return "SELECT '" + name + "' AS name, count(*) AS rows, sum(hashtextextended((" + row +
         ")::text, 0)) AS hash FROM " + name;
}

}  // namespace

std::string CatalogVersionQuery(int server_version_num) {
  std::string parts = View("pg_roles", "pg_roles") + " UNION ALL " +
                      View("pg_user_mappings", "pg_user_mappings") + " UNION ALL " +
                      View("pg_subscription",
                           "ROW(subname, subdbid, subowner, subenabled, subslotname, "
                           "subpublications)");
  for (const char *name : kCatalogs)
    parts += " UNION ALL " + Catalog(name);
  if (server_version_num >= 150000) parts += " UNION ALL " + Catalog(kPublicationSchemas);
  return "SELECT md5(string_agg(concat_ws(' ', name, rows, hash), ',' ORDER BY name "
         "COLLATE \"C\")), '{}' FROM (" +
         parts + ") AS catalogs";
}

}  // namespace agent_branch
