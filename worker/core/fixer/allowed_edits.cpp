#include "worker/core/fixer/allowed_edits.hpp"

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

std::string Qualifier(const std::string &name) {
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? std::string() : name.substr(0, dot);
}

// In `column o.total does not exist` and `function f(integer) does not exist` nothing is quoted.
std::string WordAfter(std::string_view message, std::string_view word) {
  if (message.substr(0, word.size()) != word) return {};
  std::string_view rest = message.substr(word.size());
  return std::string(rest.substr(0, rest.find_first_of(" (,")));
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

bool Begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

class Reading {
 public:
  Reading(AllowedEdits *allowed, bool first) : allowed_(*allowed), first_(first) {}

  void Add(const ServerError &error) {
    quoted_ = Quoted(error.message);
    const std::string &state = error.sqlstate;
    if (state == "42703") {
      AddName(MissingName::Kind::kColumn, error.message, "column ");
    } else if (state == "42P01") {
      allowed_.missing_object = true;
      AddName(MissingName::Kind::kRelation, error.message, "relation ");
      AddName(MissingName::Kind::kRelation, error.message, "table ");
      AddName(MissingName::Kind::kRelation, error.message, "view ");
    } else if (state == "42704") {
      allowed_.missing_object = true;
      AddName(MissingName::Kind::kType, error.message, "type ");
      if (!quoted_.empty()) allowed_.not_found.insert(LastPart(quoted_.front()));
    } else if (state == "3F000") {
      AddName(MissingName::Kind::kSchema, error.message, "schema ");
    } else if (state == "42883") {
      allowed_.missing_object = true;
      AddName(MissingName::Kind::kFunction, error.message, "function ");
      allowed_.not_found.insert(LastPart(WordAfter(error.message, "function ")));
      AddOperator(error.message);
    } else if (state == "22P02" || state == "22007" || state == "22008" || state == "22003") {
      AddConstant(error.message);
    } else if (state == "23502" && !quoted_.empty()) {
      allowed_.nulls.push_back(
          {quoted_.front(), quoted_.size() > 1 ? LastPart(quoted_[1]) : std::string()});
    } else if (state == "42804" && Begins(error.message, "column ") && !quoted_.empty()) {
      allowed_.uncast_columns.insert(quoted_.front());
    } else if (state == "42P07" || state == "42701" || state == "42P06" || state == "42710") {
      allowed_.duplicate = true;
    } else if (state == "2BP01" || state == "0A000" || state == "42P16") {
      for (const std::string &name : Dependents(error.detail))
        allowed_.dependents.insert(name);
      allowed_.column_as_default = allowed_.column_as_default ||
                                   Begins(error.message, "cannot use column reference in DEFAULT");
    }
  }

 private:
  void AddName(MissingName::Kind kind, const std::string &message, std::string_view word) {
    if (!Begins(message, word) || message.find(" does not exist") == std::string::npos) return;
    const bool is_quoted = message.size() > word.size() && message[word.size()] == '"';
    const std::string name =
        is_quoted && !quoted_.empty() ? quoted_.front() : WordAfter(message, word);
    if (name.empty()) return;
    // A name with a dot in its quotes is qualified, unless it is a column's own.
    allowed_.names.push_back({kind, LastPart(name), Qualifier(name), first_});
  }

  // operator does not exist: character varying = integer
  void AddOperator(const std::string &message) {
    constexpr std::string_view kBegin = "operator does not exist: ";
    if (!Begins(message, kBegin)) return;
    const std::string types = message.substr(kBegin.size());
    const size_t at = types.find_first_of("=<>!~+-*/%|&#@^");
    if (at == std::string::npos || at < 2) return;
    const size_t end = types.find(' ', at);
    if (end == std::string::npos) return;
    allowed_.operators.push_back({types.substr(0, at - 1), types.substr(end + 1), first_});
  }

  void AddConstant(const std::string &message) {
    if (quoted_.empty()) return;
    UnreadConstant constant;
    constant.value = quoted_.back();
    constant.first = first_;
    constexpr std::string_view kEnum = "invalid input value for enum ";
    if (Begins(message, kEnum))
      constant.enum_type =
          LastPart(message.substr(kEnum.size(), message.find(':', kEnum.size()) - kEnum.size()));
    allowed_.constants.push_back(std::move(constant));
  }

  AllowedEdits &allowed_;
  bool first_;
  std::vector<std::string> quoted_;
};

}  // namespace

bool AllowedEdits::IsNull(const std::string &table, const std::string &column) const {
  return std::any_of(nulls.begin(), nulls.end(), [&](const NullColumn &null) {
    return null.column == column && (null.table.empty() || null.table == table);
  });
}

AllowedEdits AllowedEditsFor(const std::vector<ServerError> &errors) {
  AllowedEdits allowed;
  for (const ServerError &error : errors)
    Reading(&allowed, &error == errors.data()).Add(error);
  return allowed;
}

}  // namespace agent_branch
