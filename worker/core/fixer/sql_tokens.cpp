#include "worker/core/fixer/sql_tokens.hpp"

#include <algorithm>
#include <iterator>

namespace agent_branch {
namespace {

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsNamePart(char c) {
  return IsNameStart(c) || IsDigit(c) || c == '$';
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char &c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

  std::vector<SqlToken> Run() {
    while (at_ < sql_.size()) {
      if (IsSpace(sql_[at_])) {
        ++at_;
      } else if (Ahead("--")) {
        while (at_ < sql_.size() && sql_[at_] != '\n' && sql_[at_] != '\r')
          ++at_;
      } else if (Ahead("/*")) {
        SkipComment();
      } else {
        Take();
      }
    }
    return std::move(tokens_);
  }

 private:
  bool Ahead(std::string_view text) const { return sql_.substr(at_, text.size()) == text; }
  char Peek(size_t ahead) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  void Add(TokenKind kind, std::string text, size_t begin) {
    tokens_.push_back({kind, std::move(text), begin, at_ - begin});
  }

  // They nest.
  void SkipComment() {
    int depth = 0;
    while (at_ < sql_.size()) {
      if (Ahead("/*")) {
        ++depth;
        at_ += 2;
      } else if (Ahead("*/")) {
        at_ += 2;
        if (--depth == 0) return;
      } else {
        ++at_;
      }
    }
  }

  void Take() {
    const char c = sql_[at_];
    const char lower = static_cast<char>(c | 0x20);
    if (c == '\'') {
      TakeQuoted(TokenKind::kString, 0, false);
    } else if ((lower == 'e' || lower == 'b' || lower == 'x' || lower == 'n') && Peek(1) == '\'') {
      TakeQuoted(TokenKind::kString, 1, lower == 'e');
    } else if (lower == 'u' && Peek(1) == '&' && (Peek(2) == '\'' || Peek(2) == '"')) {
      TakeQuoted(Peek(2) == '"' ? TokenKind::kName : TokenKind::kString, 2, false);
    } else if (c == '"' || c == '`') {
      TakeQuoted(TokenKind::kName, 0, false);
    } else if (c == '$' && TakeDollarQuoted()) {
      return;
    } else if (IsNameStart(c)) {
      TakeWord();
    } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      TakeNumber();
    } else {
      TakeOperator();
    }
  }

  void TakeQuoted(TokenKind kind, size_t prefix, bool escapes) {
    const size_t begin = at_;
    at_ += prefix;
    const char quote = sql_[at_++];
    std::string text;
    while (at_ < sql_.size()) {
      const char c = sql_[at_++];
      if (c == quote && (at_ >= sql_.size() || sql_[at_] != quote)) break;
      if (c == quote) ++at_;
      text += c;
      if (escapes && c == '\\' && at_ < sql_.size()) text += sql_[at_++];
    }
    Add(kind, std::move(text), begin);
  }

  bool TakeDollarQuoted() {
    size_t end = at_ + 1;
    if (end < sql_.size() && IsNameStart(sql_[end])) {
      while (end < sql_.size() && (IsNameStart(sql_[end]) || IsDigit(sql_[end])))
        ++end;
    }
    if (end >= sql_.size() || sql_[end] != '$') return false;
    const std::string_view mark = sql_.substr(at_, end + 1 - at_);
    const size_t begin = at_;
    const size_t body = end + 1;
    const size_t close = std::min(sql_.find(mark, body), sql_.size());
    at_ = std::min(close + mark.size(), sql_.size());
    Add(TokenKind::kString, std::string(sql_.substr(body, close - body)), begin);
    return true;
  }

  void TakeWord() {
    const size_t begin = at_;
    while (at_ < sql_.size() && IsNamePart(sql_[at_]))
      ++at_;
    Add(TokenKind::kWord, Lower(sql_.substr(begin, at_ - begin)), begin);
  }

  void TakeNumber() {
    const size_t begin = at_;
    while (at_ < sql_.size() && (IsNamePart(sql_[at_]) || sql_[at_] == '.'))
      ++at_;
    Add(TokenKind::kNumber, std::string(sql_.substr(begin, at_ - begin)), begin);
  }

  void TakeOperator() {
    const size_t begin = at_++;
    for (std::string_view two : {"::", "<=", ">=", "<>", "!=", "||", "->", ":="}) {
      if (sql_.substr(begin, 2) == two) at_ = begin + 2;
    }
    Add(TokenKind::kOperator, std::string(sql_.substr(begin, at_ - begin)), begin);
  }

  std::string_view sql_;
  size_t at_ = 0;
  std::vector<SqlToken> tokens_;
};

template <size_t Count>
bool Contains(const std::string_view (&sorted)[Count], std::string_view word) {
  return std::binary_search(std::begin(sorted), std::end(sorted), word);
}

constexpr std::string_view kKeywords[] = {
    "add",       "after",        "all",        "alter",        "always",    "and",
    "any",       "as",           "asc",        "before",       "begin",     "between",
    "by",        "cascade",      "case",       "check",        "collate",   "column",
    "comment",   "concurrently", "conflict",   "constraint",   "create",    "cross",
    "database",  "default",      "deferrable", "deferred",     "delete",    "desc",
    "distinct",  "do",           "drop",       "each",         "else",      "end",
    "enum",      "except",       "excluded",   "execute",      "exists",    "extension",
    "false",     "for",          "foreign",    "from",         "full",      "function",
    "generated", "grant",        "group",      "having",       "identity",  "if",
    "immutable", "in",           "index",      "inherits",     "initially", "inner",
    "insert",    "into",         "is",         "join",         "key",       "language",
    "left",      "like",         "limit",      "materialized", "merge",     "not",
    "nothing",   "null",         "of",         "offset",       "on",        "or",
    "order",     "outer",        "over",       "partition",    "primary",   "procedure",
    "public",    "references",   "rename",     "replace",      "restrict",  "return",
    "returning", "returns",      "revoke",     "right",        "row",       "schema",
    "select",    "sequence",     "set",        "stable",       "table",     "temporary",
    "then",      "to",           "trigger",    "true",         "truncate",  "type",
    "union",     "unique",       "update",     "using",        "values",    "view",
    "volatile"};

constexpr std::string_view kTypes[] = {"array",
                                       "auto_increment",
                                       "autoincrement",
                                       "bigint",
                                       "bigserial",
                                       "binary",
                                       "bit",
                                       "blob",
                                       "bool",
                                       "boolean",
                                       "bytea",
                                       "char",
                                       "character",
                                       "cidr",
                                       "citext",
                                       "clob",
                                       "date",
                                       "datetime",
                                       "datetime2",
                                       "dec",
                                       "decimal",
                                       "double",
                                       "float",
                                       "float4",
                                       "float8",
                                       "inet",
                                       "int",
                                       "int2",
                                       "int4",
                                       "int8",
                                       "integer",
                                       "interval",
                                       "json",
                                       "jsonb",
                                       "longtext",
                                       "macaddr",
                                       "mediumint",
                                       "mediumtext",
                                       "money",
                                       "nchar",
                                       "number",
                                       "numeric",
                                       "nvarchar",
                                       "precision",
                                       "real",
                                       "serial",
                                       "smallint",
                                       "smallserial",
                                       "text",
                                       "time",
                                       "timestamp",
                                       "timestamptz",
                                       "timetz",
                                       "tinyint",
                                       "uniqueidentifier",
                                       "unsigned",
                                       "uuid",
                                       "varbinary",
                                       "varchar",
                                       "varchar2",
                                       "varying",
                                       "zone"};

bool IsWord(const std::vector<SqlToken> &tokens, size_t at, std::string_view text) {
  return at < tokens.size() && tokens[at].kind == TokenKind::kWord && tokens[at].text == text;
}

bool IsOperator(const std::vector<SqlToken> &tokens, size_t at, std::string_view text) {
  return at < tokens.size() && tokens[at].kind == TokenKind::kOperator && tokens[at].text == text;
}

// The end of the type that begins at `at`: its words, its length, its brackets.
size_t EndOfType(const std::vector<SqlToken> &tokens, size_t at) {
  auto is_name = [&](size_t n) {
    return n < tokens.size() &&
           (tokens[n].kind == TokenKind::kWord || tokens[n].kind == TokenKind::kName);
  };
  if (!is_name(at)) return at;
  ++at;
  while (IsOperator(tokens, at, ".") && is_name(at + 1))
    at += 2;
  while (is_name(at) && (tokens[at].text == "precision" || tokens[at].text == "varying"))
    ++at;
  if (IsOperator(tokens, at, "(")) {
    while (at < tokens.size() && !IsOperator(tokens, at, ")"))
      ++at;
    ++at;
  }
  while (IsOperator(tokens, at, "[") && IsOperator(tokens, at + 1, "]"))
    at += 2;
  return std::min(at, tokens.size());
}

}  // namespace

std::vector<SqlToken> Tokenize(std::string_view sql) {
  return Lexer(sql).Run();
}

std::vector<std::string> Normalized(const std::vector<SqlToken> &tokens) {
  std::vector<std::string> normalized;
  for (size_t at = 0; at < tokens.size();) {
    if (IsOperator(tokens, at, "::")) {
      at = EndOfType(tokens, at + 1);
      continue;
    }
    if (IsWord(tokens, at, "if")) {
      const size_t exists = IsWord(tokens, at + 1, "not") ? at + 2 : at + 1;
      if (IsWord(tokens, exists, "exists")) {
        at = exists + 1;
        continue;
      }
    }
    const SqlToken &token = tokens[at];
    const bool is_public = token.text == "public" && IsOperator(tokens, at + 1, ".") &&
                           (token.kind == TokenKind::kWord || token.kind == TokenKind::kName);
    if (is_public) {
      at += 2;
      continue;
    }
    switch (token.kind) {
      case TokenKind::kWord:
      case TokenKind::kName:
        normalized.push_back("n" + token.text);
        break;
      case TokenKind::kString:
      case TokenKind::kNumber:
        normalized.push_back("s" + token.text);
        break;
      case TokenKind::kOperator:
        if (token.text != ";") normalized.push_back("o" + token.text);
        break;
    }
    ++at;
  }
  return normalized;
}

std::string NormalizedText(const std::vector<SqlToken> &tokens) {
  std::string text;
  for (const std::string &token : Normalized(tokens)) {
    if (!text.empty()) text += '\n';
    text += token;
  }
  return text;
}

bool IsKeyword(std::string_view word) {
  return Contains(kKeywords, word);
}

bool IsTypeWord(std::string_view word) {
  return Contains(kTypes, word);
}

}  // namespace agent_branch
