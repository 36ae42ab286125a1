#include "worker/core/merge/pieces.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

ScriptStatement Statement(size_t offset, size_t length,
                          NonTransactional alone = NonTransactional::kNo) {
  ScriptStatement statement;
  statement.offset = offset;
  statement.length = length;
  statement.non_transactional = alone;
  return statement;
}

TEST(Pieces, EachTransactionAndEachStatementAloneIsOne) {
  AppliedMigration migration;
  migration.ordinal = 3;
  migration.sql = "ALTER TABLE t ADD a int; CREATE INDEX CONCURRENTLY i ON t (a)";
  Script script;
  script.parsed = true;
  script.length = migration.sql.size();
  script.statements = {Statement(0, 23), Statement(25, 36, NonTransactional::kCreateIndex)};
  script.statements[1].alone_object = "i";
  std::vector<Piece> pieces;
  AddPieces(7, migration, script, &pieces);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].what, "migration 3, statements 1 to 1");
  EXPECT_EQ(pieces[1].what, "migration 3, statement 2 alone");
  EXPECT_EQ(pieces[1].sql, "CREATE INDEX CONCURRENTLY i ON t (a)");
  EXPECT_NE(pieces[0].token, pieces[1].token);
}

TEST(Pieces, StandInTheMergesRowAndAreReadFromThere) {
  std::vector<PieceState> states{
      {"migration 1", PieceStatus::kDone, "712", ""},
      {"migration 2, statement 1 alone", PieceStatus::kRunning, "", "absent"},
      {"migration 3", PieceStatus::kWaiting, "", ""}};
  const std::vector<PieceState> read = ReadPieces(PiecesJson(states));
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].transaction_id, "712");
  EXPECT_EQ(read[1].before, "absent");
  EXPECT_EQ(NextPiece(read), 1u);
  EXPECT_EQ(InEffect(read),
            "In effect on the parent: migration 1. Not in effect: migration 2, statement 1 alone; "
            "migration 3.");
  for (const char *bad : {"", "{}", "[{\"status\":\"mended\"}]"})
    EXPECT_TRUE(ReadPieces(bad).empty()) << bad;
}

TEST(Pieces, EffectOfAStatementAloneIsKnownByWhatThereIs) {
  EXPECT_TRUE(HadEffect(NonTransactional::kCreateIndex, "absent", "there"));
  EXPECT_FALSE(HadEffect(NonTransactional::kCreateIndex, "absent", "half"));
  EXPECT_TRUE(HadEffect(NonTransactional::kDropIndex, "there", "absent"));
  EXPECT_FALSE(HadEffect(NonTransactional::kDropIndex, "absent", "absent"));
  EXPECT_FALSE(HadEffect(NonTransactional::kRepeatable, "repeatable", "there"));
}

}  // namespace
}  // namespace agent_branch
