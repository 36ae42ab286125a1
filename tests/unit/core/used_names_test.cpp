#include "worker/core/merge/used_names.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

TEST(UsedNames, AreReadAsPostgresReadsThem) {
  EXPECT_EQ(NamesIn(R"(SELECT A.b, "C""d" FROM x_1$)"),
            (Strings{"select", "a", "b", "C\"d", "from", "x_1$"}));
  EXPECT_EQ(NamesIn("'in a string'"), (Strings{"in", "a", "string"}));
  EXPECT_EQ(NamesIn("\"open"), Strings{"open"});
  EXPECT_EQ(NamesIn(""), Strings{});
}

TEST(UsedNames, OfAnObjectIsItsSchemaAndItsName) {
  const auto name = [](std::string_view object) {
    const QualifiedName found = NameOfObject(object);
    return found.schema + " " + found.name;
  };
  EXPECT_EQ(name("table public.t"), "public t");
  EXPECT_EQ(name("materialized view app.v"), "app v");
  EXPECT_EQ(name(R"(view "my app"."Open.Orders")"), "my app Open.Orders");
  EXPECT_EQ(name("function app.f(integer, other.mood)"), "app f");
  EXPECT_TRUE(NameOfObject("index app.i").empty());
}

TEST(UsedNames, MeanOnlyWhatHasTheirSchemaWhereTheServerWroteThem) {
  const auto means = [](std::string_view text, bool by_server) {
    UsedNames names;
    names.Add(text, by_server);
    return names.MayMean({"app", "t"});
  };
  for (const bool by_server : {false, true}) {
    EXPECT_TRUE(means("SELECT t.a FROM app.t", by_server));
    EXPECT_TRUE(means(R"(SELECT 1 FROM "app" . "t")", by_server));
    EXPECT_TRUE(means("SELECT 'app.t'::regclass", by_server));
    EXPECT_FALSE(means("SELECT u.a FROM other.t u", by_server));
    EXPECT_FALSE(means("SELECT app, u FROM other.u", by_server));
  }
  // Of an alias, or of a column: the relation itself would have its schema.
  EXPECT_FALSE(means("SELECT t.a FROM other.t", true));
  // Here the search_path decides.
  EXPECT_TRUE(means("SELECT a FROM t", false));
  EXPECT_FALSE(means("SELECT a FROM app. /* no */ u", false));
}

}  // namespace
}  // namespace agent_branch
