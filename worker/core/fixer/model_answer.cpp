#include "worker/core/fixer/model_answer.hpp"

#include <utility>
#include <vector>

#include "worker/core/base/text.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxExplanation = 2'000;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

// The contents of Markdown blocks: lines that begin with three backquotes open and close them.
struct Blocks {
  std::vector<std::string_view> contents;
  bool closed = true;
};

Blocks FindBlocks(std::string_view text) {
  Blocks blocks;
  size_t content = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (Trimmed(text.substr(at, end - at)).substr(0, 3) == "```") {
      if (blocks.closed) {
        content = std::min(end + 1, text.size());
      } else {
        blocks.contents.push_back(text.substr(content, at - content));
      }
      blocks.closed = !blocks.closed;
    }
    at = end + 1;
  }
  return blocks;
}

size_t Members(const JsonValue &object, std::string_view name) {
  size_t found = 0;
  for (const auto &member : object.GetObject()) {
    if (name == std::string_view(member.name.GetString(), member.name.GetStringLength())) ++found;
  }
  return found;
}

// A model that puts a fence around the text of the member.
Result<std::string> Unfenced(const std::string &sql) {
  Blocks blocks = FindBlocks(sql);
  if (blocks.contents.empty() && blocks.closed) return sql;
  bool whole = blocks.closed && blocks.contents.size() == 1 && Trimmed(sql).substr(0, 3) == "```" &&
               Trimmed(sql).substr(Trimmed(sql).size() - 3) == "```";
  if (!whole) return Status::Error("22023", "the text has Markdown in it");
  return std::string(blocks.contents.front());
}

}  // namespace

std::string_view ModelOutcomeName(ModelOutcome outcome) {
  switch (outcome) {
    case ModelOutcome::kAnswered:
      return "answered";
    case ModelOutcome::kDeclined:
      return "declined";
    case ModelOutcome::kRefused:
      return "refused";
    case ModelOutcome::kCutOff:
      return "cut off";
    case ModelOutcome::kMalformed:
      return "malformed";
    case ModelOutcome::kSeveral:
      return "several answers";
    case ModelOutcome::kTooLong:
      return "too long";
    case ModelOutcome::kRateLimited:
      return "rate limited";
    case ModelOutcome::kUnavailable:
      return "unavailable";
    case ModelOutcome::kTimedOut:
      return "timed out";
    case ModelOutcome::kUnreachable:
      return "unreachable";
    case ModelOutcome::kKey:
      return "key refused";
    case ModelOutcome::kBadRequest:
      return "request refused";
    case ModelOutcome::kBudget:
      return "over budget";
    case ModelOutcome::kInterrupted:
      return "interrupted";
  }
  return {};
}

bool IsPassing(ModelOutcome outcome) {
  return outcome == ModelOutcome::kRateLimited || outcome == ModelOutcome::kUnavailable ||
         outcome == ModelOutcome::kTimedOut || outcome == ModelOutcome::kUnreachable;
}

bool IsMisconfigured(ModelOutcome outcome) {
  return outcome == ModelOutcome::kKey || outcome == ModelOutcome::kBadRequest;
}

ModelAnswer NoAnswer(ModelOutcome outcome, std::string reason) {
  ModelAnswer answer;
  answer.outcome = outcome;
  answer.reason = std::move(reason);
  return answer;
}

ModelAnswer ReadAnswerObject(const JsonValue *object) {
  if (object == nullptr || !object->IsObject())
    return NoAnswer(ModelOutcome::kMalformed, "the answer is not the JSON object asked for");
  if (Members(*object, "sql") > 1)
    return NoAnswer(ModelOutcome::kSeveral, "the answer has several members \"sql\"");
  const JsonValue *member = JsonMember(object, "sql");
  if (member == nullptr || !member->IsString())
    return NoAnswer(ModelOutcome::kMalformed, "the answer has no text \"sql\"");
  ModelAnswer answer;
  answer.explanation = CleanLines(JsonString(object, "explanation"), kMaxExplanation);
  Result<std::string> sql = Unfenced(JsonString(object, "sql"));
  if (!sql.ok()) {
    answer.outcome = ModelOutcome::kMalformed;
    answer.reason = "the answer's \"sql\" is not SQL alone: " + sql.status().message();
  } else if (sql->size() > kMaxMigrationBytes) {
    answer.outcome = ModelOutcome::kTooLong;
    answer.reason = "the answer is longer than a migration may be";
  } else if (sql->find('\0') != std::string::npos) {
    answer.outcome = ModelOutcome::kMalformed;
    answer.reason = "the answer has a zero byte in it";
  } else if (Trimmed(sql.value()).empty()) {
    answer.outcome = ModelOutcome::kDeclined;
    answer.reason = "the model gave no fix";
  } else {
    answer.outcome = ModelOutcome::kAnswered;
    answer.sql = std::move(sql.value());
  }
  return answer;
}

ModelAnswer ExtractAnswer(std::string_view text) {
  std::string_view trimmed = Trimmed(text);
  if (trimmed.empty()) return NoAnswer(ModelOutcome::kMalformed, "the answer is empty");
  if (trimmed.front() == '{') {
    Result<JsonDocument> document = ParseJson(trimmed);
    if (document.ok()) return ReadAnswerObject(&document.value());
    return NoAnswer(ModelOutcome::kMalformed, "the answer is not valid JSON");
  }
  Blocks blocks = FindBlocks(trimmed);
  if (!blocks.closed)
    return NoAnswer(ModelOutcome::kMalformed, "the answer has a block that is not closed");
  if (blocks.contents.size() > 1)
    return NoAnswer(ModelOutcome::kSeveral, "the answer has several blocks");
  if (blocks.contents.empty()) return NoAnswer(ModelOutcome::kMalformed, "the answer is prose");
  std::string_view content = Trimmed(blocks.contents.front());
  if (!content.empty() && content.front() == '{') {
    Result<JsonDocument> document = ParseJson(content);
    if (document.ok()) return ReadAnswerObject(&document.value());
  }
  JsonDocument made(rapidjson::kObjectType);
  JsonValue sql(blocks.contents.front().data(),
                static_cast<rapidjson::SizeType>(blocks.contents.front().size()));
  made.AddMember("sql", sql, made.GetAllocator());
  return ReadAnswerObject(&made);
}

}  // namespace agent_branch
