#include "worker/core/fixer/dialects.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace agent_branch {
namespace {

struct Translation {
  std::string_view from;
  std::string_view to;
};

// A width in brackets behind the name goes or stays as the type has it.
constexpr Translation kTypes[] = {
    {"datetime", "timestamp"},
    {"datetime", "timestamptz"},
    {"datetime", "timestamp with time zone"},
    {"datetime", "timestamp without time zone"},
    {"datetime2", "timestamp"},
    {"datetimeoffset", "timestamptz"},
    {"datetimeoffset", "timestamp with time zone"},
    {"smalldatetime", "timestamp"},
    {"tinyint", "smallint"},
    {"mediumint", "integer"},
    {"mediumint", "int"},
    {"longtext", "text"},
    {"mediumtext", "text"},
    {"tinytext", "text"},
    {"ntext", "text"},
    {"clob", "text"},
    {"nclob", "text"},
    {"string", "text"},
    {"blob", "bytea"},
    {"longblob", "bytea"},
    {"mediumblob", "bytea"},
    {"varbinary", "bytea"},
    {"image", "bytea"},
    {"nvarchar", "varchar"},
    {"varchar2", "varchar"},
    {"nvarchar2", "varchar"},
    {"number", "numeric"},
    {"double", "double precision"},
    {"uniqueidentifier", "uuid"},
};

constexpr Translation kFunctions[] = {
    {"len", "length"},           {"ifnull", "coalesce"},
    {"isnull", "coalesce"},      {"nvl", "coalesce"},
    {"getdate", "now"},          {"sysdate", "now"},
    {"sysdatetime", "now"},      {"ucase", "upper"},
    {"lcase", "lower"},          {"newid", "gen_random_uuid"},
    {"uuid", "gen_random_uuid"}, {"uuid_generate_v4", "gen_random_uuid"},
};

constexpr Translation kOneType[] = {
    {"int", "integer"},    {"int4", "integer"},      {"int8", "bigint"},    {"int2", "smallint"},
    {"bool", "boolean"},   {"decimal", "numeric"},   {"dec", "numeric"},    {"float4", "real"},
    {"serial4", "serial"}, {"serial8", "bigserial"}, {"character", "char"},
};

std::string_view Canonical(std::string_view type) {
  for (const Translation &same : kOneType) {
    if (same.from == type) return same.to;
  }
  return type;
}

template <size_t Count>
std::vector<std::string_view> Look(const Translation (&table)[Count], std::string_view from) {
  std::vector<std::string_view> found;
  for (const Translation &each : table) {
    if (each.from == from) found.push_back(each.to);
  }
  return found;
}

bool In(std::string_view value, std::initializer_list<std::string_view> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

std::vector<std::string_view> TypesFor(std::string_view type) {
  return Look(kTypes, type);
}

std::vector<std::string_view> FunctionsFor(std::string_view function) {
  return Look(kFunctions, function);
}

bool AreOneType(std::string_view one, std::string_view other) {
  return Canonical(one) == Canonical(other);
}

const std::vector<std::string_view> &BuiltInTypes() {
  static const std::vector<std::string_view> kNames = {
      "bigint",  "bigserial", "bit",         "boolean",  "bytea",    "char",        "date",
      "inet",    "integer",   "int",         "interval", "json",     "jsonb",       "money",
      "numeric", "decimal",   "real",        "serial",   "smallint", "smallserial", "text",
      "time",    "timestamp", "timestamptz", "timetz",   "uuid",     "varchar",     "xml",
      "bool",    "cidr",      "macaddr",     "point",    "tsvector", "tsquery"};
  return kNames;
}

bool IsHarmlessExtension(std::string_view name) {
  return In(name, {"btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch",
                   "hstore", "intarray", "isn", "ltree", "pg_trgm", "pgcrypto", "postgis", "seg",
                   "tablefunc", "unaccent", "uuid-ossp", "vector"});
}

bool IsOfExtension(std::string_view extension, std::string_view name) {
  if (!IsHarmlessExtension(extension)) return false;
  if (extension == name) return true;
  constexpr Translation kMembers[] = {{"uuid-ossp", "uuid_generate_v1"},
                                      {"uuid-ossp", "uuid_generate_v4"},
                                      {"uuid-ossp", "uuid_generate_v5"},
                                      {"pg_trgm", "gin_trgm_ops"},
                                      {"pg_trgm", "gist_trgm_ops"},
                                      {"pg_trgm", "similarity"},
                                      {"pg_trgm", "word_similarity"},
                                      {"pgcrypto", "crypt"},
                                      {"pgcrypto", "gen_salt"},
                                      {"pgcrypto", "digest"},
                                      {"pgcrypto", "hmac"},
                                      {"pgcrypto", "gen_random_bytes"},
                                      {"postgis", "geometry"},
                                      {"postgis", "geography"},
                                      {"postgis", "st_makepoint"},
                                      {"postgis", "st_distance"},
                                      {"fuzzystrmatch", "levenshtein"},
                                      {"fuzzystrmatch", "soundex"},
                                      {"fuzzystrmatch", "metaphone"},
                                      {"intarray", "gin__int_ops"},
                                      {"vector", "vector_l2_ops"},
                                      {"vector", "vector_cosine_ops"},
                                      {"hstore", "gin_hstore_ops"},
                                      {"earthdistance", "ll_to_earth"},
                                      {"earthdistance", "earth_distance"},
                                      {"tablefunc", "crosstab"}};
  return std::any_of(std::begin(kMembers), std::end(kMembers), [&](const Translation &member) {
    return member.from == extension && member.to == name;
  });
}

namespace {

constexpr std::string_view kHarmless[] = {
    "abs",      "btrim",           "cast",       "ceil",         "coalesce",  "concat",
    "count",    "date_part",       "date_trunc", "extract",      "floor",     "gen_random_uuid",
    "greatest", "initcap",         "least",      "left",         "length",    "lower",
    "lpad",     "ltrim",           "make_date",  "max",          "md5",       "min",
    "now",      "nullif",          "replace",    "right",        "round",     "rpad",
    "rtrim",    "split_part",      "string_agg", "substr",       "substring", "sum",
    "to_char",  "to_date",         "to_number",  "to_timestamp", "trim",      "trunc",
    "upper",    "uuid_generate_v4"};

// What a misspelt name may just as well be meant to be.
constexpr std::string_view kOthers[] = {
    "age",         "array_agg",  "ascii",    "avg",    "bool_and",    "bool_or", "ceiling",
    "char_length", "chr",        "decode",   "encode", "every",       "exp",     "format",
    "json_agg",    "jsonb_agg",  "lag",      "lead",   "ln",          "log",     "mod",
    "mode",        "overlay",    "position", "power",  "random",      "rank",    "repeat",
    "reverse",     "row_number", "sign",     "sqrt",   "starts_with", "strpos",  "to_json",
    "to_jsonb",    "translate"};

}  // namespace

bool IsHarmlessFunction(std::string_view name) {
  return std::find(std::begin(kHarmless), std::end(kHarmless), name) != std::end(kHarmless);
}

const std::vector<std::string> &UsualFunctions() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names(std::begin(kHarmless), std::end(kHarmless));
    names.insert(names.end(), std::begin(kOthers), std::end(kOthers));
    return names;
  }();
  return kNames;
}

}  // namespace agent_branch
