#include "worker/core/merge/replay_guard.hpp"

#include <set>

namespace agent_branch {
namespace {

constexpr std::string_view kColumn = "column ";
constexpr std::string_view kOfTable = " of table ";

std::string Literal(const std::string &text) {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') literal += c;
    literal += c;
  }
  return "E" + literal + "'";
}

}  // namespace

std::vector<std::string> TablesTakenAway(const ObjectMap &base, const ObjectMap &branch,
                                         const std::map<std::string, int64_t> &branch_tables,
                                         const std::map<std::string, int64_t> &parent_tables) {
  std::set<std::string> taken;
  for (const auto &[table, number] : parent_tables) {
    if (base.count("table " + table) == 0) continue;
    const auto there = branch_tables.find(table);
    if (there == branch_tables.end() || there->second != number) taken.insert(table);
  }
  for (const auto &[key, text] : base) {
    if (key.compare(0, kColumn.size(), kColumn) != 0 || branch.count(key) != 0) continue;
    const size_t at = key.find(kOfTable);
    if (at == std::string::npos) continue;
    const std::string table = key.substr(at + kOfTable.size());
    if (parent_tables.count(table) != 0) taken.insert(table);
  }
  return {taken.begin(), taken.end()};
}

std::string GuardScript(const std::vector<std::string> &tables, const std::string &since) {
  if (tables.empty()) return {};
  std::string script = "DO $agent_branch$ DECLARE found int8; BEGIN\n";
  for (const std::string &table : tables) {
    const std::string written = since.empty() ? ""
                                              : " WHERE age(t.xmin) <= pg_catalog.pg_snapshot_xmax("
                                                "pg_catalog.pg_current_snapshot())::text::int8 - " +
                                                    since;
    script += "LOCK TABLE " + table +
              " IN ACCESS EXCLUSIVE MODE;\nSELECT count(*) INTO found FROM "
              "(SELECT FROM " +
              table + " t" + written +
              " LIMIT 1000) r;\nIF found > 0 THEN RAISE EXCEPTION USING ERRCODE = 'AB004', "
              "MESSAGE = " +
              Literal("table " + table +
                      ", which the migrations take rows or columns from, was written to since the "
                      "session began") +
              ", DETAIL = CASE WHEN found < 1000 THEN found::text ELSE 'At least 1000' END || "
              "' rows of it were written on the parent.'; END IF;\n";
  }
  return script + "END $agent_branch$";
}

}  // namespace agent_branch
