#include "worker/core/merge/pieces.hpp"

#include <algorithm>

#include "worker/core/base/json.hpp"

namespace agent_branch {
namespace {

constexpr const char *kStatuses[] = {"waiting", "running", "done", "failed"};

std::string WhatOf(const AppliedMigration &migration, const Segment &segment, size_t statements) {
  std::string what = "migration " + std::to_string(migration.ordinal);
  const std::string first = std::to_string(segment.first + 1);
  if (segment.non_transactional != NonTransactional::kNo)
    return what + ", statement " + first + " alone";
  if (segment.count >= statements) return what;
  return what + ", statements " + first + " to " + std::to_string(segment.first + segment.count);
}

std::string List(const std::vector<PieceState> &states, bool done) {
  std::string text;
  for (const PieceState &state : states) {
    if ((state.status == PieceStatus::kDone) != done) continue;
    text += (text.empty() ? "" : "; ") + state.what;
  }
  return text.empty() ? "nothing" : text;
}

}  // namespace

void AddPieces(int64_t merge_id, const AppliedMigration &migration, const Script &script,
               std::vector<Piece> *pieces) {
  for (const Segment &segment : SplitIntoSegments(script)) {
    if (segment.count == 0) continue;
    Piece piece;
    piece.what = WhatOf(migration, segment, script.statements.size());
    piece.sql =
        migration.sql.substr(std::min(segment.offset, migration.sql.size()), segment.length);
    const auto ends = std::count(piece.sql.begin(), piece.sql.end(), ';');
    piece.statements = static_cast<int>(segment.count) + static_cast<int>(ends);
    piece.segment = segment;
    piece.token = "merge " + std::to_string(merge_id) + "." + std::to_string(pieces->size() + 1);
    pieces->push_back(std::move(piece));
  }
}

std::vector<PieceState> BeginPieces(const std::vector<Piece> &pieces) {
  std::vector<PieceState> states;
  for (const Piece &piece : pieces)
    states.push_back({piece.what, PieceStatus::kWaiting, {}, {}});
  return states;
}

std::string PiecesJson(const std::vector<PieceState> &states) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  for (const PieceState &state : states) {
    writer.StartObject();
    WriteMember(writer, "what", state.what);
    WriteMember(writer, "status", kStatuses[static_cast<size_t>(state.status)]);
    if (!state.transaction_id.empty()) WriteMember(writer, "transaction_id", state.transaction_id);
    if (!state.before.empty()) WriteMember(writer, "before", state.before);
    writer.EndObject();
  }
  writer.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

std::vector<PieceState> ReadPieces(std::string_view json) {
  std::vector<PieceState> states;
  Result<JsonDocument> document = ParseJson(json);
  if (!document.ok() || !document->IsArray()) return states;
  for (const JsonValue &value : document->GetArray()) {
    PieceState state;
    state.what = JsonString(&value, "what");
    const std::string status = JsonString(&value, "status");
    const auto *const named = std::find(std::begin(kStatuses), std::end(kStatuses), status);
    if (named == std::end(kStatuses)) return {};
    state.status = static_cast<PieceStatus>(named - std::begin(kStatuses));
    state.transaction_id = JsonString(&value, "transaction_id");
    state.before = JsonString(&value, "before");
    states.push_back(std::move(state));
  }
  return states;
}

size_t NextPiece(const std::vector<PieceState> &states) {
  const auto next = std::find_if(states.begin(), states.end(), [](const PieceState &state) {
    return state.status != PieceStatus::kDone;
  });
  return static_cast<size_t>(next - states.begin());
}

std::string InEffect(const std::vector<PieceState> &states) {
  return "In effect on the parent: " + List(states, true) +
         ". Not in effect: " + List(states, false) + ".";
}

bool HadEffect(NonTransactional kind, std::string_view before, std::string_view now) {
  if (kind == NonTransactional::kCreateIndex) return before == kAloneAbsent && now == kAloneThere;
  if (kind == NonTransactional::kDropIndex || kind == NonTransactional::kDetachPartition)
    return before != kAloneAbsent && now == kAloneAbsent;
  return false;
}

}  // namespace agent_branch
