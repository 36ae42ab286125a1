#include "worker/branch/catalog_version.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <limits>
#include <sstream>

#include "worker/branch/digest.hpp"
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
  return "SELECT concat_ws(' ', '" + name + "', count(*), coalesce(" +
         Since(version, 140000, ("bit_xor(" + std::string(kRowHash) + ")::text").c_str(),
               "sum(hashtextextended(ctid::text || xmin::text, 0))::text") +
         ", '-'), min(age(xmin))) FROM " + name;
}

// Of what only a superuser can read the catalog, what everybody is shown.
std::string View(const std::string &name, const std::string &row) {
  return "SELECT concat_ws(' ', '" + name + "', count(*), coalesce(sum(hashtextextended((" + row +
         ")::text, 0))::text, '-')) FROM " + name + " s";
}

std::vector<std::string> Words(const std::string &text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

std::optional<int64_t> Number(const std::string &text) {
  int64_t number = 0;
  const char *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return {};
  return number;
}

}  // namespace

std::vector<std::string> CatalogVersionStatements(int server_version_num) {
  std::vector<std::string> statements = {
      "SELECT concat_ws(' ', system_identifier, " + std::string(kNextXid) +
          ") FROM pg_control_system()",
      View("pg_roles", "ROW(s, " + PasswordMark("s") + ")"), View("pg_user_mappings", "s"),
      View("pg_subscription", "ROW(s.subname, s.subdbid, s.subowner, " +
                                  SubscriptionColumns(server_version_num) + ")")};
  for (const char *name : kCatalogs)
    statements.push_back(Catalog(name, server_version_num));
  for (const char *name : kLaterCatalogs) {
    if (server_version_num >= 150000) statements.push_back(Catalog(name, server_version_num));
  }
  return statements;
}

std::optional<CatalogVersion> ReadCatalogVersion(const std::vector<std::string> &rows) {
  if (rows.empty()) return {};
  const std::vector<std::string> server = Words(rows[0]);
  const std::optional<int64_t> next = Number(server.empty() ? "" : server.back());
  if (server.size() != 2 || !next) return {};
  std::string text = server[0];
  int64_t youngest = std::numeric_limits<int32_t>::max();
  for (size_t n = 1; n < rows.size(); ++n) {
    const std::vector<std::string> row = Words(rows[n]);
    if (row.size() < 3 || row.size() > 4) return {};
    text += ',' + row[0] + ' ' + row[1] + ' ' + row[2];
    const std::optional<int64_t> age = row.size() == 4 ? Number(row[3]) : youngest;
    if (!age) return {};
    youngest = std::min(youngest, *age);
  }
  return CatalogVersion{ShortDigest(text), std::to_string(*next - youngest)};
}

}  // namespace agent_branch
