#include "worker/core/fixer/licence.hpp"

#include <algorithm>
#include <string_view>

namespace agent_branch {
namespace {

// The texts between double quotes, in their order.
std::vector<std::string> Quoted(std::string_view message) {
  std::vector<std::string> quoted;
  for (;;) {
    size_t open = message.find('"');
    if (open == std::string_view::npos) return quoted;
    size_t close = message.find('"', open + 1);
    if (close == std::string_view::npos) return quoted;
    quoted.emplace_back(message.substr(open + 1, close - open - 1));
    message.remove_prefix(close + 1);
  }
}

std::string LastPart(const std::string &name) {
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

// In `column o.total does not exist` and `function f(integer) does not exist` nothing is quoted.
std::string WordAfter(std::string_view message, std::string_view word) {
  size_t at = message.find(word);
  if (at == std::string_view::npos) return {};
  std::string_view rest = message.substr(at + word.size());
  return LastPart(std::string(rest.substr(0, rest.find_first_of(" (,"))));
}

void AddName(Licence *licence, const std::string &name) {
  if (!name.empty()) licence->names.insert(LastPart(name));
}

// "view v depends on column c of table t": the second word of each line.
std::set<std::string> Dependents(std::string_view detail) {
  std::set<std::string> found;
  while (!detail.empty()) {
    size_t end = std::min(detail.find('\n'), detail.size());
    std::string_view line = detail.substr(0, end);
    detail.remove_prefix(std::min(end + 1, detail.size()));
    size_t depends = line.find(" depends on ");
    if (depends == std::string_view::npos) continue;
    std::string_view object = line.substr(0, depends);
    size_t on = object.find(" on ");  // "rule _RETURN on view v", "trigger x on table t"
    if (on != std::string_view::npos && object.substr(0, 4) == "rule") {
      object = object.substr(on + 4);
    } else if (on != std::string_view::npos) {
      object = object.substr(0, on);
    }
    size_t blank = object.rfind(' ');
    std::string name(blank == std::string_view::npos ? object : object.substr(blank + 1));
    name.erase(std::remove(name.begin(), name.end(), '"'), name.end());
    found.insert(LastPart(name));
  }
  return found;
}

bool In(std::string_view value, std::initializer_list<std::string_view> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

void AddLicence(const ServerError &error, Licence *given) {
  Licence &licence = *given;
  licence.sqlstates.insert(error.sqlstate);
  const std::vector<std::string> quoted = Quoted(error.message);
  const std::string first = quoted.empty() ? "" : quoted.front();
  if (In(error.sqlstate, {"42703", "42P01", "42704", "3F000", "42883"})) {
    AddName(&licence, first);
    if (first.empty()) {
      AddName(&licence, WordAfter(error.message, "column "));
      AddName(&licence, WordAfter(error.message, "function "));
    }
  } else if (In(error.sqlstate, {"22P02", "22007", "22008", "22003"})) {
    if (!quoted.empty()) licence.constants.insert(quoted.back());
  } else if (error.sqlstate == "23502") {
    licence.null_columns.emplace(first, quoted.size() > 1 ? LastPart(quoted[1]) : "");
  } else if (In(error.sqlstate, {"2BP01", "0A000", "42P16"})) {
    for (const std::string &name : Dependents(error.detail))
      licence.dependents.insert(name);
  }
}

}  // namespace

Licence LicenceOf(const std::vector<ServerError> &errors) {
  Licence licence;
  for (const ServerError &error : errors)
    AddLicence(error, &licence);
  return licence;
}

bool IsHarmlessExtension(const std::string &name) {
  return In(name, {"btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch",
                   "hstore", "intarray", "isn", "ltree", "pg_trgm", "pgcrypto", "postgis", "seg",
                   "tablefunc", "unaccent", "uuid-ossp", "vector"});
}

bool IsHarmlessFunction(const std::string &name) {
  return In(
      name,
      {"abs",      "btrim",           "cast",       "ceil",         "coalesce",  "concat",
       "count",    "date_part",       "date_trunc", "extract",      "floor",     "gen_random_uuid",
       "greatest", "initcap",         "least",      "left",         "length",    "lower",
       "lpad",     "ltrim",           "make_date",  "max",          "md5",       "min",
       "now",      "nullif",          "replace",    "right",        "round",     "rpad",
       "rtrim",    "split_part",      "string_agg", "substr",       "substring", "sum",
       "to_char",  "to_date",         "to_number",  "to_timestamp", "trim",      "trunc",
       "upper",    "uuid_generate_v4"});
}

}  // namespace agent_branch
