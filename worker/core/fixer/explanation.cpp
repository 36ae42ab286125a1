#include "worker/core/fixer/explanation.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "worker/core/fixer/dialects.hpp"
#include "worker/core/fixer/sql_tokens.hpp"

namespace agent_branch {
namespace {

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

// A detail's tokens: a letter for the kind (n: name or word, s: constant, o: operator), the text.
std::vector<std::string> TokensOf(const std::string &detail) {
  std::vector<std::string> tokens;
  for (size_t at = 0; at < detail.size();) {
    const size_t end = std::min(detail.find('\n', at), detail.size());
    tokens.push_back(detail.substr(at, end - at));
    at = end + 1;
  }
  return tokens;
}

// Calls something that is not known to compute only.
bool CallsOthers(const std::string &detail) {
  const std::vector<std::string> tokens = TokensOf(detail);
  for (size_t at = 0; at + 1 < tokens.size(); ++at) {
    if (tokens[at][0] != 'n' || tokens[at + 1] != "o(") continue;
    const std::string word = tokens[at].substr(1);
    // t (a, b) behind INTO and the like is a list of columns.
    const bool of_columns = at > 0 && (tokens[at - 1] == "ninto" || tokens[at - 1] == "nas");
    const bool known = IsHarmlessFunction(word) || IsKeyword(word) || IsTypeWord(word);
    if (!known && !of_columns) return true;
  }
  return false;
}

}  // namespace

std::string PlainObject(std::string name) {
  std::string plain;
  for (char c : name) {
    if (c != '"') plain += c;
  }
  return Begins(plain, "public.") ? plain.substr(7) : plain;
}

std::string TableOf(const std::string &object) {
  const size_t dot = object.rfind('.');
  return dot == std::string::npos ? std::string() : object.substr(0, dot);
}

std::string LastName(const std::string &object) {
  const size_t dot = object.rfind('.');
  return dot == std::string::npos ? object : object.substr(dot + 1);
}

Explanation::Explanation(const std::vector<Effect> &effects) {
  for (const Effect &effect : effects)
    Add(effect);
}

void Explanation::Add(const Effect &effect) {
  const std::string object = PlainObject(effect.object);
  const bool drops = Begins(effect.kind, "drop ") || effect.kind == "rename";
  for (const std::string &name : {object, TableOf(object)}) {
    if (name.empty()) continue;
    touched.insert(name);
    if (drops) shrunken.insert(name);
  }
  cascades = cascades || effect.detail.find("ncascade") != std::string::npos;
  renames = renames || effect.kind == "rename";
  retypes = retypes || effect.kind == "column type";
  drops_parts = drops_parts || drops;
  extends = extends || effect.kind == "create extension";
  if (effect.kind == "other") return AddOther(effect.detail);
  anything = anything || effect.kind == "alter";
  const bool has_rows = Begins(effect.kind, "rows ") || effect.kind == "truncate" ||
                        effect.kind == "create table" || effect.kind == "create materialized view";
  if (has_rows) rows.insert(object);
  if (Begins(effect.kind, "rows ") || effect.kind == "select" || effect.kind == "create table")
    any_rows = any_rows || CallsOthers(effect.detail);
}

// GRANT, COMMENT ON and their like are about what they name, and change no rows.
void Explanation::AddOther(const std::string &detail) {
  const std::vector<std::string> tokens = TokensOf(detail);
  constexpr std::string_view kPlain[] = {"ngrant", "nrevoke", "ncomment", "nset",
                                         "nreset", "nlock",   "nanalyze"};
  const bool plain = !tokens.empty() &&
                     std::find(std::begin(kPlain), std::end(kPlain), tokens[0]) != std::end(kPlain);
  const auto holds = [&](std::string_view token) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  };
  // ON ALL TABLES IN SCHEMA s; and what is called otherwise after it.
  if (!plain || (holds("nall") && holds("nschema")) || holds("nrole") || holds("nsession")) {
    anything = any_rows = true;
    return;
  }
  // Names behind it may be of another schema than they seem to be.
  anything = anything || holds("nsearch_path");
  std::string name;
  for (const std::string &token : tokens) {
    if (token == "o.") {
      name += '.';
      continue;
    }
    if (token[0] != 'n') {
      name.clear();
      continue;
    }
    name = !name.empty() && name.back() == '.' ? name + token.substr(1) : token.substr(1);
    touched.insert(PlainObject(name));
  }
}

}  // namespace agent_branch
