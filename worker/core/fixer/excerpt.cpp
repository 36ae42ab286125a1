#include "worker/core/fixer/excerpt.hpp"

#include <set>

#include "worker/core/base/json.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/fixer/sql_tokens.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMostNames = 300;
constexpr size_t kLongestName = 64;

class Names {
 public:
  void Add(const std::string &text) {
    for (const SqlToken &token : Tokenize(text)) {
      if (token.kind == TokenKind::kString && token.length > 0) AddBody(token);
      if (token.kind == TokenKind::kWord || token.kind == TokenKind::kName) AddName(token);
    }
  }

  std::string Json() const {
    rapidjson::StringBuffer buffer;
    JsonWriter writer(buffer);
    writer.StartArray();
    for (const std::string &name : names_)
      WriteString(writer, name);
    writer.EndArray();
    return {buffer.GetString(), buffer.GetSize()};
  }

 private:
  // A function's body is a constant; a constant of some words may be one, or not.
  void AddBody(const SqlToken &body) {
    for (const SqlToken &token : Tokenize(body.text)) {
      if (token.kind == TokenKind::kWord || token.kind == TokenKind::kName) AddName(token);
    }
  }

  void AddName(const SqlToken &token) {
    if (names_.size() >= kMostNames || token.text.empty() || token.text.size() > kLongestName)
      return;
    if (token.kind == TokenKind::kWord && (IsKeyword(token.text) || IsTypeWord(token.text))) return;
    std::string name = CleanText(token.text, kLongestName);
    for (char &c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    names_.insert(std::move(name));
  }

  std::set<std::string> names_;
};

}  // namespace

std::string ExcerptNames(const std::string &sql, const std::vector<ServerError> &errors) {
  Names names;
  for (const ServerError &error : errors) {
    names.Add(error.message);
    names.Add(error.detail);
  }
  names.Add(sql);
  return names.Json();
}

}  // namespace agent_branch
