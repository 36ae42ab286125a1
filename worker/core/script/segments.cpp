#include "worker/core/script/segments.hpp"

namespace agent_branch {
namespace {

// Whether the statement cannot share a transaction with the one before it.
bool BeginsSegment(const Script &script, size_t number) {
  if (number == 0) return true;
  const ScriptStatement &before = script.statements[number - 1];
  return script.statements[number].alone != Alone::kNo || before.alone != Alone::kNo ||
         before.commit_after;
}

void Extend(Segment *segment, const ScriptStatement &statement) {
  if (segment->count == 0) {
    segment->offset = statement.offset;
    segment->line = statement.line;
    segment->column = statement.column;
    segment->alone = statement.alone;
    segment->object = statement.alone_object;
    segment->relation = statement.alone_relation;
  }
  ++segment->count;
  segment->length = statement.offset + statement.length - segment->offset;
}

}  // namespace

std::vector<Segment> SplitIntoSegments(const Script &script) {
  std::vector<Segment> segments;
  std::vector<std::string> settings;
  for (size_t number = 0; number < script.statements.size(); ++number) {
    const ScriptStatement &statement = script.statements[number];
    if (BeginsSegment(script, number)) {
      segments.emplace_back();
      segments.back().first = number;
      segments.back().settings = settings;
    }
    Extend(&segments.back(), statement);
    if (!statement.setting.empty()) settings.push_back(statement.setting);
  }
  if (segments.empty()) segments.emplace_back();
  if (segments.size() > 1 || segments.front().alone != Alone::kNo) return segments;
  segments.front().offset = 0;
  segments.front().length = script.length;
  segments.front().line = segments.front().column = 1;
  return segments;
}

}  // namespace agent_branch
