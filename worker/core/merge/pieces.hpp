// Migrations that cannot be one transaction, as the pieces that they are: runs of statements in a
// transaction, and statements alone; and what became of each on the parent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/core/flow/branch_task.hpp"
#include "worker/core/script/segments.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

struct Piece {
  std::string what;  // "migration 2, statement 3 alone"
  std::string sql;
  int statements = 1;
  Segment segment;
  std::string token;  // names a statement that runs alone while it does
};

enum class PieceStatus { kWaiting, kRunning, kDone, kFailed };

// As it stands in the merge's row.
struct PieceState {
  std::string what;
  PieceStatus status = PieceStatus::kWaiting;
  std::string transaction_id;  // noted before its COMMIT
  std::string before;          // what there was before a statement alone: see NonTransactionalState
};

// Of one migration, added behind the others.
void AddPieces(int64_t merge_id, const AppliedMigration &migration, const Script &script,
               std::vector<Piece> *pieces);
std::vector<PieceState> BeginPieces(const std::vector<Piece> &pieces);

std::string PiecesJson(const std::vector<PieceState> &states);
// Empty when the text is no such thing.
std::vector<PieceState> ReadPieces(std::string_view json);

// The first that is not done; their number: all are.
size_t NextPiece(const std::vector<PieceState> &states);
// "In effect: … . Not in effect: … ." for people.
std::string InEffect(const std::vector<PieceState> &states);

// Whether a statement alone had its effect, by what there was before and what there is now.
bool HadEffect(NonTransactional kind, std::string_view before, std::string_view now);

}  // namespace agent_branch
