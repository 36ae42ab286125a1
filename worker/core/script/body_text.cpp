#include "worker/core/script/body_text.hpp"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>

#include "worker/core/fixer/sql_tokens.hpp"

namespace agent_branch {
namespace {

constexpr int kDeepest = 3;  // strings in strings
constexpr size_t kMostRisks = 50;

using Words = std::initializer_list<std::string_view>;

// The tokens of a body, in order; every question may be asked of any place.
class BodyTokens {
 public:
  explicit BodyTokens(std::string_view body) : tokens_(Tokenize(body)) {}

  size_t size() const { return tokens_.size(); }
  const SqlToken &operator[](size_t at) const { return tokens_[at]; }

  bool Is(size_t at, Words words) const {
    if (at >= tokens_.size() || tokens_[at].kind == TokenKind::kString ||
        tokens_[at].kind == TokenKind::kName)
      return false;
    return std::find(words.begin(), words.end(), tokens_[at].text) != words.end();
  }
  bool Follows(size_t at, Words words) const { return at > 0 && Is(at - 1, words); }
  bool BeginsStatement(size_t at) const {
    return at == 0 || Follows(at, {";", "begin", "then", "loop", "else", ")", ">>", "as", "$$"});
  }
  size_t EndOfStatement(size_t at) const {
    while (at < tokens_.size() && !Is(at, {";"}))
      ++at;
    return at;
  }
  // A name with its schema, quoted where it was.
  std::string NameAt(size_t at) const {
    std::string name;
    for (; at < tokens_.size(); at += 2) {
      const SqlToken &token = tokens_[at];
      if (token.kind == TokenKind::kName) {
        name += "\"" + token.text + "\"";
      } else if (token.kind == TokenKind::kWord) {
        name += token.text;
      } else {
        break;
      }
      if (!Is(at + 1, {"."})) break;
      name += ".";
    }
    return name;
  }

 private:
  std::vector<SqlToken> tokens_;
};

class BodyReader {
 public:
  explicit BodyReader(std::string_view where) : where_(where) {}

  void Read(std::string_view body, int depth) {
    const BodyTokens tokens(body);
    for (size_t at = 0; at < tokens.size(); ++at) {
      if (tokens[at].kind == TokenKind::kString) {
        if (depth < kDeepest && tokens[at].text.find(' ') != std::string::npos)
          Read(tokens[at].text, depth + 1);
        continue;
      }
      Look(tokens, at);
    }
  }

  std::vector<StatementRisk> Take() { return std::move(risks_); }

 private:
  void Look(const BodyTokens &tokens, size_t at) {
    if (tokens.Is(at, {"create"})) return NoteMade(tokens, at);
    if (tokens.Is(at, {"drop"})) return LookAtDrop(tokens, at);
    if (tokens.Is(at, {"truncate"})) return LookAtTruncate(tokens, at);
    if (tokens.Is(at, {"delete"}) && tokens.Is(at + 1, {"from"}))
      return LookAtRows(tokens, at, at + 2, "DELETE without WHERE takes all rows away");
    if (tokens.Is(at, {"update"}) && tokens.BeginsStatement(at))
      return LookAtRows(tokens, at, at + 1, "UPDATE without WHERE changes all rows");
    if (tokens.Is(at, {"delete"}) && tokens.Follows(at, {"then"}))
      return Add(RiskKind::kUnfiltered, "rows", "", "MERGE takes the rows away that it matches");
    if (tokens.Is(at, {"rename"}) && tokens.Is(at + 1, {"to", "column", "constraint"}))
      return Add(RiskKind::kRename, "object", "", "who uses it by its name has to use another");
    if (tokens.Is(at, {"detach"}) && tokens.Is(at + 1, {"partition"}))
      return Add(RiskKind::kDrop, "partition", "", "its rows leave the table");
    if (tokens.Is(at, {"lo_unlink"})) return Add(RiskKind::kDrop, "large object", "", "it is gone");
  }

  void NoteMade(const BodyTokens &tokens, size_t at) {
    ++at;
    while (tokens.Is(at, {"temp", "temporary", "unlogged", "local", "global"}))
      ++at;
    if (!tokens.Is(at, {"table"}) || tokens.Is(at + 1, {"if"})) return;
    made_.insert(tokens.NameAt(at + 1));
  }

  void LookAtDrop(const BodyTokens &tokens, size_t at) {
    const bool property = tokens.Is(at + 1, {"default", "not", "expression", "identity", ";"});
    if (property || tokens.Follows(at, {"commit", "."})) return;
    size_t name = at + 2;
    if (tokens.Is(name, {"view"})) ++name;
    if (tokens.Is(name, {"if"}) && tokens.Is(name + 1, {"exists"})) name += 2;
    const std::string type = tokens.Is(at + 1, {"materialized"}) ? "materialized view"
                             : at + 1 < tokens.size()            ? tokens[at + 1].text
                                                                 : "object";
    if (tokens.Is(at + 1, {"table"}))
      return Add(RiskKind::kDrop, type, tokens.NameAt(name), "its rows go with it");
    Add(RiskKind::kDrop, type, "", "it is gone for all who use it");
  }

  void LookAtTruncate(const BodyTokens &tokens, size_t at) {
    if (!tokens.BeginsStatement(at)) return;
    size_t name = at + 1;
    while (tokens.Is(name, {"table", "only"}))
      ++name;
    Add(RiskKind::kTruncate, "table", tokens.NameAt(name), "all its rows go");
  }

  void LookAtRows(const BodyTokens &tokens, size_t at, size_t name, const char *why) {
    if (tokens.Is(name, {"only"})) ++name;
    const size_t end = tokens.EndOfStatement(at);
    for (size_t word = at; word < end; ++word) {
      if (!tokens.Is(word, {"where"})) continue;
      const bool all = tokens.Is(word + 1, {"true"}) ||
                       (tokens[word + 1].kind == TokenKind::kNumber && tokens.Is(word + 2, {"="}));
      if (word + 1 >= end || !all) return;
    }
    Add(RiskKind::kUnfiltered, "table", tokens.NameAt(name), why);
  }

  void Add(RiskKind kind, const std::string &type, const std::string &relation, const char *why) {
    if (made_.count(relation) > 0 || risks_.size() >= kMostRisks) return;
    StatementRisk risk;
    risk.kind = kind;
    risk.object_type = type;
    risk.object = (relation.empty() ? "" : relation + " ") + std::string("in ") + where_;
    risk.relation = relation;
    risk.moved = true;
    risk.why = why;
    risks_.push_back(std::move(risk));
  }

  std::string where_;
  std::set<std::string> made_;
  std::vector<StatementRisk> risks_;
};

bool SaysAddValue(std::string_view body, int depth) {
  const BodyTokens tokens(body);
  bool alters_type = false;
  for (size_t at = 0; at < tokens.size(); ++at) {
    if (tokens.Is(at, {";"})) alters_type = false;
    if (tokens.Is(at, {"type"}) && tokens.Follows(at, {"alter"})) alters_type = true;
    if (alters_type && tokens.Is(at, {"value"}) && tokens.Follows(at, {"add"})) return true;
    if (tokens[at].kind == TokenKind::kString && depth < kDeepest &&
        SaysAddValue(tokens[at].text, depth + 1))
      return true;
  }
  return false;
}

}  // namespace

bool EndsTransaction(std::string_view body) {
  const BodyTokens tokens(body);
  for (size_t at = 0; at < tokens.size(); ++at) {
    if (tokens.Is(at, {"commit", "rollback"}) && tokens.BeginsStatement(at) &&
        tokens.Is(at + 1, {";", "and"}))
      return true;
  }
  return false;
}

bool AddsEnumValue(std::string_view body) {
  return SaysAddValue(body, 0);
}

std::vector<StatementRisk> FindBodyRisks(std::string_view body, std::string_view where) {
  BodyReader reader(where);
  reader.Read(body, 0);
  return reader.Take();
}

}  // namespace agent_branch
