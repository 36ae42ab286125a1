// The comparison for an original that no parser takes, word by word; see intent.hpp.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "worker/core/base/text.hpp"
#include "worker/core/fixer/intent.hpp"
#include "worker/core/fixer/sql_tokens.hpp"
#include "worker/core/fixer/token_diff.hpp"

namespace agent_branch {
namespace {

constexpr size_t kShown = 60;
constexpr size_t kNearEnough = 2;

// What other databases say, and what PostgreSQL says in its place: they come and go freely.
constexpr std::string_view kOfDialects[] = {"always",
                                            "auto_increment",
                                            "autoincrement",
                                            "by",
                                            "cast",
                                            "char_length",
                                            "charset",
                                            "clustered",
                                            "coalesce",
                                            "concat",
                                            "curdate",
                                            "current_date",
                                            "current_timestamp",
                                            "dbo",
                                            "engine",
                                            "gen_random_uuid",
                                            "generated",
                                            "getdate",
                                            "getutcdate",
                                            "go",
                                            "identity",
                                            "ifnull",
                                            "innodb",
                                            "isnull",
                                            "len",
                                            "length",
                                            "limit",
                                            "newid",
                                            "now",
                                            "nvl",
                                            "offset",
                                            "sysdate",
                                            "sysdatetime",
                                            "systimestamp",
                                            "time",
                                            "top",
                                            "uuid",
                                            "utf8",
                                            "utf8mb4",
                                            "with",
                                            "without",
                                            "zone"};

// Each has to stand as often in the fix as in the original.
constexpr std::string_view kProtected[] = {
    "alter",    "and",    "cascade", "check",    "copy",    "create",    "definer", "delete",
    "do",       "drop",   "except",  "execute",  "exists",  "extension", "foreign", "from",
    "function", "grant",  "if",      "index",    "insert",  "intersect", "join",    "merge",
    "not null", "or",     "owner",   "policy",   "primary", "procedure", "program", "references",
    "rename",   "revoke", "role",    "security", "select",  "server",    "set",     "trigger",
    "truncate", "union",  "unique",  "update",   "valid",   "view",      "where"};

template <size_t Count>
bool In(const std::string_view (&words)[Count], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::string Shown(std::string_view text) {
  return "\"" + CleanText(text, kShown) + "\"";
}

bool IsWhole(const SqlToken &token, std::string_view text) {
  return token.kind != TokenKind::kString && token.text == text;
}

// INT(11) is INT, and what MySQL has behind a table's last bracket has no counterpart.
std::vector<SqlToken> WithoutDialect(const std::vector<SqlToken> &tokens) {
  constexpr std::string_view kWidthless[] = {"int",       "integer", "tinyint", "smallint",
                                             "mediumint", "bigint",  "identity"};
  std::vector<SqlToken> kept;
  for (size_t at = 0; at < tokens.size(); ++at) {
    const SqlToken &token = tokens[at];
    const bool is_word = token.kind == TokenKind::kWord;
    const bool option =
        is_word && !kept.empty() && at + 2 < tokens.size() &&
        (token.text == "engine" || token.text == "charset" || token.text == "auto_increment") &&
        IsWhole(tokens[at + 1], "=");
    if (option) {
      if (token.text == "charset" && IsWhole(kept.back(), "default")) kept.pop_back();
      at += 2;
      continue;
    }
    kept.push_back(token);
    if (!is_word || !In(kWidthless, token.text)) continue;
    if (at + 1 >= tokens.size() || !IsWhole(tokens[at + 1], "(")) continue;
    while (at + 1 < tokens.size() && !IsWhole(tokens[at + 1], ")"))
      ++at;
    ++at;
  }
  return kept;
}

struct Words {
  int commas = 0;                        // but for those that no element follows
  std::map<std::string, int> guarded;    // how often
  std::map<std::string, int> constants;  // how often
  std::map<std::string, int> operators;  // how often
  std::map<std::string, int> names;
  std::map<std::string, int> all;
};

bool IsName(const SqlToken &token) {
  if (token.kind == TokenKind::kName) return true;
  return token.kind == TokenKind::kWord && !IsKeyword(token.text) && !IsTypeWord(token.text) &&
         !In(kOfDialects, token.text) && !In(kProtected, token.text);
}

Words Count(const std::vector<SqlToken> &all_tokens) {
  Words words;
  const std::vector<SqlToken> tokens = WithoutDialect(all_tokens);
  for (size_t at = 0; at < tokens.size(); ++at) {
    const SqlToken &token = tokens[at];
    if (token.kind == TokenKind::kString || token.kind == TokenKind::kNumber) {
      ++words.constants[token.text];
    } else if (token.kind == TokenKind::kOperator) {
      const bool counts = token.text != "(" && token.text != ")" && token.text != "," &&
                          token.text != ";" && token.text != "." && token.text != "[" &&
                          token.text != "]" && token.text != "::";
      if (counts) ++words.operators[token.text];
      const bool trails = at + 1 < tokens.size() && IsWhole(tokens[at + 1], ")");
      if (token.text == "," && !trails) ++words.commas;
    } else {
      ++words.all[token.text];
      if (IsName(token)) ++words.names[token.text];
      if (token.kind != TokenKind::kWord) continue;
      const bool not_null =
          token.text == "not" && at + 1 < tokens.size() && IsWhole(tokens[at + 1], "null");
      if (not_null) ++words.guarded["not null"];
      if (In(kProtected, token.text)) ++words.guarded[token.text];
    }
  }
  return words;
}

class Comparison {
 public:
  Comparison(const Words &original, const Words &fix) : original_(original), fix_(fix) {}

  std::string Reason() {
    for (const auto &difference : {Names(), Guarded(), Same(original_.constants, fix_.constants),
                                   Same(original_.operators, fix_.operators)}) {
      if (!difference.empty()) return difference;
    }
    return {};
  }

 private:
  // Words stay, since a keyword may have been meant as a name; and no name is new. One that the
  // grammar stumbled over may be spelt otherwise.
  std::string Names() {
    for (const auto &[name, count] : original_.all) {
      if (IsTypeWord(name) || In(kOfDialects, name)) continue;
      if (fix_.all.count(name) == 0 && !IsSlip(name)) return "it leaves out " + Shown(name);
    }
    if (fix_.commas < original_.commas) return "it leaves out an element of a list";
    for (const auto &[name, count] : fix_.names) {
      if (original_.all.count(name) == 0) return "it adds " + Shown(name);
    }
    return {};
  }

  // A misspelt keyword: it goes, and the keyword that it resembles comes.
  bool IsSlip(const std::string &name) {
    for (const auto &[word, count] : fix_.all) {
      const bool is_new = count > CountOf(original_.all, word);
      const bool keyword = IsKeyword(word) || IsTypeWord(word);
      if (!is_new || !keyword || EditDistance(name, word) > kNearEnough) continue;
      slips_[word] += original_.all.at(name);
      return true;
    }
    return false;
  }

  std::string Guarded() {
    for (std::string_view word : kProtected) {
      const std::string text(word);
      const int wanted = CountOf(original_.guarded, text) + CountOf(slips_, text);
      const int found = CountOf(fix_.guarded, text);
      if (found < wanted) return "it leaves out " + Shown(word);
      if (found > wanted) return "it adds " + Shown(word);
    }
    return {};
  }

  static std::string Same(const std::map<std::string, int> &original,
                          const std::map<std::string, int> &fix) {
    for (const auto &[text, count] : original) {
      if (CountOf(fix, text) < count) return "it leaves out " + Shown(text);
    }
    for (const auto &[text, count] : fix) {
      if (CountOf(original, text) < count) return "it adds " + Shown(text);
    }
    return {};
  }

  static int CountOf(const std::map<std::string, int> &counts, const std::string &text) {
    auto found = counts.find(text);
    return found == counts.end() ? 0 : found->second;
  }

  const Words &original_;
  const Words &fix_;
  std::map<std::string, int> slips_;
};

std::multiset<std::string> Backslashes(const std::string &sql) {
  std::multiset<std::string> found;
  for (const SqlToken &token : Tokenize(sql)) {
    bool plain = token.kind == TokenKind::kString && sql[token.offset] == '\'';
    if (plain && token.text.find('\\') != std::string::npos) found.insert(token.text);
  }
  return found;
}

bool AddsBackslash(const std::string &original, const std::string &fix) {
  const std::multiset<std::string> known = Backslashes(original);
  for (const std::string &text : Backslashes(fix)) {
    if (known.count(text) == 0) return true;
  }
  return false;
}

}  // namespace

Intent CompareWords(const std::string &original, const std::string &fix) {
  const Words ours = Count(Tokenize(original));
  const Words theirs = Count(Tokenize(fix));
  Intent intent;
  intent.reason = Comparison(ours, theirs).Reason();
  intent.preserved = intent.reason.empty();
  return intent;
}

namespace {

Intent Refuse(std::string reason) {
  Intent intent;
  intent.reason = std::move(reason);
  return intent;
}

std::vector<Effect> EffectsOf(const Script &script) {
  std::vector<Effect> all;
  for (const ScriptStatement &statement : script.statements)
    all.insert(all.end(), statement.effects.begin(), statement.effects.end());
  return all;
}

}  // namespace

Intent CompareIntent(const Script &original, const std::string &original_sql, const Script &fix,
                     const std::string &fix_sql, const std::vector<ServerError> &errors) {
  if (!fix.refusal.ok()) return Refuse(fix.refusal.message());
  if (!fix.parsed) return Refuse("it cannot be parsed, so what it does cannot be compared");
  if (fix.statements.empty()) return Refuse("it does nothing");
  // Where the branch takes a backslash in a constant for an escape, the constant ends elsewhere
  // than it does here.
  if (AddsBackslash(original_sql, fix_sql)) return Refuse("it has a backslash in a constant");
  if (original.parsed)
    return CompareEffects(EffectsOf(original), EffectsOf(fix), LicenceOf(errors));
  // What the fix says is what the original was to say, as far as words tell.
  Intent intent = CompareWords(original_sql, fix_sql);
  if (intent.preserved) intent.wanted = EffectsOf(fix);
  return intent;
}

}  // namespace agent_branch
