#include "worker/core/merge/used_names.hpp"

namespace agent_branch {
namespace {

bool IsNameCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || c == '_' || c == '$' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z');
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

struct Word {
  std::string name;
  bool behind_point = false;
};

// Reads the quoted name whose quotation mark is at `*at`, and goes behind it.
std::string ReadQuoted(std::string_view sql, size_t *at) {
  std::string name;
  for (++*at; *at < sql.size(); ++*at) {
    if (sql[*at] == '"' && (*at + 1 >= sql.size() || sql[*at + 1] != '"')) break;
    if (sql[*at] == '"') ++*at;
    name += sql[*at];
  }
  ++*at;
  return name;
}

std::vector<Word> WordsIn(std::string_view sql) {
  std::vector<Word> words;
  bool point = false;
  size_t at = 0;
  while (at < sql.size()) {
    const char c = sql[at];
    if (c == '"') {
      words.push_back({ReadQuoted(sql, &at), point});
      point = false;
    } else if (IsNameCharacter(c)) {
      std::string name;
      for (; at < sql.size() && IsNameCharacter(sql[at]); ++at)
        name += Lower(sql[at]);
      words.push_back({std::move(name), point});
      point = false;
    } else {
      const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
      point = c == '.' || (point && blank);
      ++at;
    }
  }
  return words;
}

// Longer ones first: "materialized view" is no "view".
std::string_view WithoutKind(std::string_view object) {
  for (const std::string_view kind :
       {"materialized view ", "foreign table ", "table ", "view ", "function ", "procedure ",
        "aggregate ", "type ", "domain ", "sequence "}) {
    if (object.substr(0, kind.size()) == kind) return object.substr(kind.size());
  }
  return {};
}

}  // namespace

std::vector<std::string> NamesIn(std::string_view sql) {
  std::vector<std::string> names;
  for (Word &word : WordsIn(sql))
    names.push_back(std::move(word.name));
  return names;
}

QualifiedName NameOfObject(std::string_view object) {
  QualifiedName name;
  for (Word &word : WordsIn(WithoutKind(object))) {
    // Behind the name come a function's arguments, or nothing.
    if (!name.empty() && !word.behind_point) break;
    name.schema = std::move(name.name);
    name.name = std::move(word.name);
  }
  return name;
}

void UsedNames::Add(std::string_view text, bool by_server) {
  std::string before;
  for (Word &word : WordsIn(text)) {
    words_.insert(word.name);
    if (word.behind_point) {
      qualified_.emplace(before, word.name);
    } else if (!by_server) {
      unqualified_.insert(word.name);
    }
    before = std::move(word.name);
  }
}

bool UsedNames::MayMean(const QualifiedName &object) const {
  return qualified_.count({object.schema, object.name}) > 0 || unqualified_.count(object.name) > 0;
}

}  // namespace agent_branch
