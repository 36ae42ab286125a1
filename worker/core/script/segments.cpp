#include "worker/core/script/segments.hpp"

namespace agent_branch {
namespace {

// Whether the statement cannot share a transaction with the one before it.
bool BeginsSegment(const Script &script, size_t number) {
  if (number == 0) return true;
  const ScriptStatement &before = script.statements[number - 1];
  return script.statements[number].non_transactional != NonTransactional::kNo ||
         before.non_transactional != NonTransactional::kNo || before.commit_after;
}

void Extend(Segment *segment, const ScriptStatement &statement) {
  if (segment->count == 0) {
    segment->offset = statement.offset;
    segment->line = statement.line;
    segment->column = statement.column;
    segment->non_transactional = statement.non_transactional;
    segment->object = statement.alone_object;
    segment->relation = statement.alone_relation;
  }
  ++segment->count;
  segment->length = statement.offset + statement.length - segment->offset;
}

// The whole text is sent as it stands where all of it is one transaction.
void TakeWhole(const Script &script, Segment *segment) {
  segment->offset = 0;
  segment->length = script.length;
  segment->line = segment->column = 1;
}

}  // namespace

std::vector<Segment> SplitIntoSegments(const Script &script) {
  std::vector<Segment> segments;
  std::vector<std::string> settings;
  std::string transaction_setting;
  bool ended = true;  // what the last segment holds
  bool bounded = false;
  for (size_t number = 0; number < script.statements.size(); ++number) {
    const ScriptStatement &statement = script.statements[number];
    if (statement.boundary != Boundary::kNone) {
      ended = bounded = true;
      transaction_setting = statement.setting;
      // Done with the segment before it.
      if (!segments.empty()) segments.back().count = number + 1 - segments.back().first;
      continue;
    }
    if (ended || BeginsSegment(script, number)) {
      segments.emplace_back();
      segments.back().first = number;
      segments.back().settings = settings;
      if (!transaction_setting.empty())
        segments.back().settings.insert(segments.back().settings.begin(), transaction_setting);
      transaction_setting.clear();
      ended = false;
    }
    Extend(&segments.back(), statement);
    if (!statement.setting.empty()) settings.push_back(statement.setting);
  }
  if (segments.empty()) segments.emplace_back();
  if (segments.size() == 1 && !bounded &&
      segments.front().non_transactional == NonTransactional::kNo)
    TakeWhole(script, &segments.front());
  return segments;
}

}  // namespace agent_branch
