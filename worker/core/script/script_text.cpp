#include "worker/core/script/script_text.hpp"

#include <algorithm>

namespace agent_branch {

bool BeginsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

namespace {

constexpr size_t kNone = std::string_view::npos;

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool ContinuesWord(char c) {
  return BeginsWord(c) || IsDigit(c) || c == '$';
}

bool At(std::string_view sql, size_t at, std::string_view what) {
  return sql.substr(at, what.size()) == what;
}

size_t SkipLine(std::string_view sql, size_t at) {
  const size_t end = sql.find('\n', at);
  return end == kNone ? sql.size() : end + 1;
}

size_t SkipComment(std::string_view sql, size_t at) {
  int depth = 0;
  while (at < sql.size()) {
    if (At(sql, at, "/*")) {
      ++depth;
      at += 2;
    } else if (At(sql, at, "*/")) {
      at += 2;
      if (--depth == 0) return at;
    } else {
      ++at;
    }
  }
  return at;
}

// A doubled quote ends the string and begins another one at once, which comes to the same.
size_t SkipQuoted(std::string_view sql, size_t at, bool escapes) {
  const char quote = sql[at++];
  while (at < sql.size() && sql[at] != quote)
    at += escapes && sql[at] == '\\' ? 2 : 1;
  return std::min(at + 1, sql.size());
}

// $tag$ … $tag$; a dollar that begins none is one character.
size_t SkipDollars(std::string_view sql, size_t at) {
  size_t end = at + 1;
  if (end < sql.size() && BeginsWord(sql[end])) {
    while (end < sql.size() && ContinuesWord(sql[end]) && sql[end] != '$')
      ++end;
  }
  if (end >= sql.size() || sql[end] != '$') return at + 1;
  const std::string_view tag = sql.substr(at, end + 1 - at);
  const size_t close = sql.find(tag, end + 1);
  return close == kNone ? sql.size() : close + tag.size();
}

std::string UpperCase(std::string_view word) {
  std::string upper(word);
  for (char &c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

// The words of one statement as they come by.
class StatementWords {
 public:
  void Begin() { *this = StatementWords(); }

  void Add(const std::string &word) {
    if (count_ == 0) first_ = word;
    if (count_ == 1) second_ = word;
    if (word == "ATOMIC" && last_ == "BEGIN" && first_ == "CREATE") body_depth_ = 1;
    if (body_depth_ > 0 && word == "CASE") ++body_depth_;
    if (body_depth_ > 0 && word == "END") --body_depth_;
    copies_ = first_ == "COPY" &&
              ((last_ == "FROM" && word == "STDIN") || (last_ == "TO" && word == "STDOUT"));
    last_ = word;
    ++count_;
  }

  // A semicolon inside BEGIN ATOMIC … END ends no statement.
  bool in_body() const { return body_depth_ > 0; }
  bool copies() const { return copies_; }
  bool ControlsTransaction() const {
    if (count_ == 1) {
      return first_ == "BEGIN" || first_ == "COMMIT" || first_ == "END" || first_ == "ROLLBACK" ||
             first_ == "ABORT" || first_ == "SAVEPOINT" || first_ == "RELEASE";
    }
    return count_ == 2 && second_ == "TRANSACTION" && (first_ == "START" || first_ == "PREPARE");
  }

 private:
  std::string first_;
  std::string second_;
  std::string last_;
  int count_ = 0;
  int body_depth_ = 0;
  bool copies_ = false;
};

std::string AtLine(int line) {
  return "It is in line " + std::to_string(line) + ".";
}

}  // namespace

size_t TokenEnd(std::string_view sql, size_t at) {
  const char c = sql[at];
  if (c == '\'' || c == '"') return SkipQuoted(sql, at, false);
  if (c == '$') return SkipDollars(sql, at);
  if (!BeginsWord(c)) return at + 1;
  if ((c == 'e' || c == 'E') && At(sql, at + 1, "'")) return SkipQuoted(sql, at + 1, true);
  while (at < sql.size() && ContinuesWord(sql[at]))
    ++at;
  return at;
}

size_t SkipBlanks(std::string_view sql, size_t from) {
  while (from < sql.size()) {
    if (IsBlank(sql[from])) {
      ++from;
    } else if (At(sql, from, "--")) {
      from = SkipLine(sql, from);
    } else if (At(sql, from, "/*")) {
      from = SkipComment(sql, from);
    } else {
      break;
    }
  }
  return from;
}

size_t TrimEnd(std::string_view sql, size_t begin, size_t end) {
  end = std::min(end, sql.size());
  while (end > begin && IsBlank(sql[end - 1]))
    --end;
  return end;
}

TextPosition PlaceFinder::At(size_t offset) {
  for (; offset_ < offset && offset_ < sql_.size(); ++offset_) {
    const auto byte = static_cast<unsigned char>(sql_[offset_]);
    if (byte == '\n') {
      place_ = {place_.line + 1, 1};
    } else if ((byte & 0xC0) != 0x80) {
      ++place_.column;
    }
  }
  return place_;
}

Status RefuseTransactionControl(int line) {
  return Status::Error("2D000", "transaction control is not allowed in a migration", AtLine(line),
                       "BEGIN and COMMIT have to come in pairs. A migration runs in a transaction "
                       "of its own: leave ROLLBACK and SAVEPOINT out.");
}

Status RefuseCopy(int line) {
  return Status::Error("0A000", "COPY from or to the client is not possible in a migration",
                       AtLine(line), "Use INSERT, or COPY with a file of the branch's server.");
}

Status RefuseMetaCommand(int line) {
  return Status::Error("0A000", "commands of psql are not possible in a migration", AtLine(line),
                       "Leave out what begins with a backslash: a migration is SQL, which is sent "
                       "to the branch's server as it stands.");
}

TextRefusal FindRefusedText(std::string_view sql) {
  PlaceFinder places(sql);
  StatementWords words;
  size_t begin = kNone;  // of the statement
  for (size_t at = SkipBlanks(sql, 0); at < sql.size(); at = SkipBlanks(sql, at)) {
    const size_t end = TokenEnd(sql, at);
    if (begin == kNone) begin = at;
    if (sql[at] == '\\') return {RefuseMetaCommand(places.At(at).line), at};
    if (sql[at] == ';' && !words.in_body()) {
      words.Begin();
      begin = kNone;
    } else if (BeginsWord(sql[at])) {
      words.Add(UpperCase(sql.substr(at, end - at)));
      if (words.ControlsTransaction())
        return {RefuseTransactionControl(places.At(begin).line), begin};
      if (words.copies()) return {RefuseCopy(places.At(begin).line), begin};
    }
    at = end;
  }
  return {};
}

}  // namespace agent_branch
