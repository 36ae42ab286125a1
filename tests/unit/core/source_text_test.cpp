#include "worker/core/script/source_text.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

TEST(SourceText, MarksArePassedOverAndPlacesStay) {
  EXPECT_EQ(PassOverMarks("\xEF\xBB\xBF"
                          "CREATE"),
            "CREATE");
  EXPECT_EQ(PassOverMarks("\\restrict abc\nSELECT 1;\n\\unrestrict abc"),
            "             \nSELECT 1;\n               ");
  for (const char *kept :
       {"SELECT '\n\\restrict a';", "-- \\restrict a\nSELECT 1", "\\restricted a",
        "SELECT 1 \\restrict a", "\\i file", "$$\n\\restrict a\n$$"})
    EXPECT_EQ(PassOverMarks(kept), kept);
}

TEST(SourceText, InvisibleCharactersAreFoundOutsideOfLiteralsAndComments) {
  const auto found = FindInvisible(
      "SELECT\xC2\xA0"
      "1");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->offset, 6u);
  EXPECT_EQ(found->name, "U+00A0 (no-break space)");
  EXPECT_EQ(FindInvisible("ALTER TABLE t ADD \xE2\x80\x8Bnote text")->name,
            "U+200B (zero-width space)");
  EXPECT_EQ(FindInvisible("SELECT 1 AS \"a\xE2\x80\x8B\"")->name, "U+200B (zero-width space)");
  for (const char *fine : {"SELECT '\xC2\xA0'", "-- \xC2\xA0\nSELECT 1", "/*\xC2\xA0*/ SELECT 1",
                           "SELECT $$\xC2\xA0$$", "SELECT E'\xC2\xA0'", "SELECT \xC3\xBC", "\xC2"})
    EXPECT_FALSE(FindInvisible(fine)) << fine;
}

TEST(SourceText, DownMarkersOfMigrationToolsAreFound) {
  for (const char *mark :
       {"-- +goose Down", "-- migrate:down", "--+migrate Down", "-- migrate:down transaction:false",
        "-- Down Migration", "---- create above / drop below ----"})
    EXPECT_TRUE(FindDownMarker("CREATE TABLE a ();\n" + std::string(mark) + "\nDROP TABLE a;"))
        << mark;
  EXPECT_EQ(FindDownMarker("x;\n  -- +goose Down\ny")->text, "-- +goose Down");
  for (const char *fine :
       {"-- +goose Up\nx", "x\n-- +goose Down\n", "SELECT '\n-- +goose Down\n'; x",
        "x -- downloads\n; y", "-- down the road\nx"})
    EXPECT_FALSE(FindDownMarker(fine)) << fine;
}

TEST(SourceText, BackslashesInPlainConstantsAreFound) {
  EXPECT_TRUE(HasPlainBackslash("SELECT 'a\\'; SELECT '; DROP TABLE t; --';"));
  for (const char *fine : {"SELECT E'a\\'b'", "SELECT $$\\$$", "SELECT \"\\\"", "-- '\\'\n"})
    EXPECT_FALSE(HasPlainBackslash(fine)) << fine;
}

TEST(SourceText, ChangesOfWhatNewConnectionsBeginWithAreFound) {
  EXPECT_TRUE(ChangesSessionDefaults("ALTER DATABASE neondb SET search_path = app"));
  EXPECT_TRUE(ChangesSessionDefaults("alter /* a */ role a SET x = 1"));
  EXPECT_TRUE(ChangesSessionDefaults("DO $$BEGIN EXECUTE 'ALTER USER a SET x = 1'; END$$"));
  EXPECT_FALSE(ChangesSessionDefaults("ALTER TABLE role ADD database text; SELECT alterrole"));
}

}  // namespace
}  // namespace agent_branch
