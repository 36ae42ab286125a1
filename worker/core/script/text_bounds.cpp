#include "worker/core/script/text_bounds.hpp"

#include <algorithm>
#include <string>

#include "worker/core/script/script_text.hpp"

namespace agent_branch {
namespace {

bool IsOperator(char c) {
  return std::string_view("~!@#^&|`?+-*/%<>=").find(c) != std::string_view::npos;
}

std::string Count(size_t count) {
  return std::to_string(count);
}

class BoundsReader {
 public:
  explicit BoundsReader(std::string_view sql) : sql_(sql) {}

  Status Read() {
    size_t at = 0;
    while (status_.ok() && at < sql_.size())
      at = Next(at);
    return status_;
  }

 private:
  bool At(size_t at, std::string_view what) const { return sql_.substr(at, what.size()) == what; }

  size_t Next(size_t at) {
    if (At(at, "/*")) return Comment(at);
    const size_t token = At(at, "--") ? SkipBlanks(sql_, at) : at;
    if (token > at) return token;
    const char c = sql_[at];
    if (c == ' ' || (c >= '\t' && c <= '\r')) return at + 1;
    CountToken(at, c);
    if (!IsOperator(c)) return TokenEnd(sql_, at);
    Spend(at);
    return at + 1;
  }

  size_t Comment(size_t at) {
    size_t depth = 0;
    while (status_.ok() && at < sql_.size()) {
      if (At(at, "/*")) {
        Spend(at);
        if (++depth > kDeepestNesting)
          Refuse(at, "comments nest too deeply", "The limit is " + Count(kDeepestNesting) + ".");
        at += 2;
      } else if (At(at, "*/")) {
        at += 2;
        if (--depth == 0) return at;
      } else {
        ++at;
      }
    }
    return at;
  }

  void CountToken(size_t at, char c) {
    if (++tokens_ > kMostTokens)
      Refuse(at, "migration has too many words and signs",
             "The limit is " + Count(kMostTokens) + ".");
    if (c == ';' && ++statements_ > kMostStatements)
      Refuse(at, "migration has too many statements",
             "The limit is " + Count(kMostStatements) + ".");
    if ((c == '(' || c == '[') && ++depth_ > kDeepestNesting)
      Refuse(at, "brackets nest too deeply", "The limit is " + Count(kDeepestNesting) + ".");
    if ((c == ')' || c == ']') && depth_ > 0) --depth_;
  }

  // The lexer matches the whole run of operators' characters, and gives back what it did not want.
  void Spend(size_t at) {
    if (at >= run_end_) {
      run_end_ = at;
      while (run_end_ < sql_.size() && IsOperator(sql_[run_end_]))
        ++run_end_;
    }
    steps_ += run_end_ - at;
    if (steps_ > kMostLexerSteps)
      Refuse(at, "migration has too long runs of operators' characters",
             "Runs of thousands of them, such as /*/*/*, take a lexer very long.");
  }

  void Refuse(size_t at, const char *message, const std::string &detail) {
    if (!status_.ok()) return;
    const int line = PlaceFinder(sql_).At(at).line;
    status_ = Status::Error("54000", message,
                            detail + " It is reached in line " + std::to_string(line) + ".",
                            "Split it into several migrations, or write it more simply.");
  }

  std::string_view sql_;
  size_t tokens_ = 0;
  size_t statements_ = 0;
  size_t depth_ = 0;
  size_t run_end_ = 0;
  uint64_t steps_ = 0;
  Status status_;
};

}  // namespace

Status CheckTextBounds(std::string_view sql) {
  return BoundsReader(sql).Read();
}

}  // namespace agent_branch
