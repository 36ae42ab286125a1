#include "worker/core/fixer/intent_proof.hpp"

#include <gtest/gtest.h>

#include "worker/core/fixer/effect_facts.hpp"

namespace agent_branch {
namespace {

const char kBefore[] =
    R"json({"table public.t": "1", "constraint t_pkey on public.t": "2", "index public.t_a_idx": "3",
        "table public.keep": "4", "view public.v": "5", "function public.f(integer)": "6",
        "comment on table public.keep": "7", "column a of table public.t": "8",
        "column b of table public.t": "9", "column a of table public.u": "1",
        "grants on table public.t to app": "2"})json";

std::string After(const std::string &key, const std::string &hash) {
  std::string after = kBefore;
  const std::string quoted = "\"" + key + "\": \"";
  size_t at = after.find(quoted);
  if (hash.empty()) {
    after.erase(at, quoted.size() + 2);
    // With the comma that parted it from its neighbour.
    const size_t next = after.find(',', at);
    after.erase(next == std::string::npos ? after.rfind(',') : next, 1);
  } else {
    after.replace(at + quoted.size(), 1, hash);
  }
  return after;
}

std::string Reason(const std::vector<Effect> &effects, const std::string &key,
                   const std::string &hash, const std::set<std::string> &put_back = {}) {
  return ExplainChanges(effects, put_back, kBefore, After(key, hash)).reason;
}

TEST(IntentProof, NothingVanishesThatTheEffectsDoNotExplain) {
  std::vector<Effect> column = {{"column", "t.b", "npg_catalog.int4"}};
  EXPECT_EQ(Reason(column, "table public.keep", ""), "it makes the table public.keep vanish");
  EXPECT_NE(Reason(column, "table public.t", ""), "");
  EXPECT_NE(Reason(column, "constraint t_pkey on public.t", ""), "");
  EXPECT_NE(Reason(column, "function public.f(integer)", ""), "");
  EXPECT_EQ(Reason({{"drop table", "keep", ""}}, "table public.keep", ""), "");
  EXPECT_EQ(Reason({{"drop function", "f", ""}}, "function public.f(integer)", ""), "");
  EXPECT_EQ(Reason({{"drop constraint", "t.t_pkey", ""}}, "constraint t_pkey on public.t", ""), "");
  EXPECT_EQ(Reason({{"drop column", "t.a", ""}}, "index public.t_a_idx", ""), "");
  EXPECT_EQ(Reason({{"drop column", "t.a", ""}}, "column a of table public.t", ""), "");
  EXPECT_NE(Reason({{"drop column", "t.a", ""}}, "column a of table public.u", ""), "");
  EXPECT_EQ(Reason({{"drop table", "t", ""}}, "column a of table public.t", ""), "");
  EXPECT_EQ(Reason({{"drop table", "t", ""}}, "grants on table public.t to app", ""), "");
}

TEST(IntentProof, NothingChangesThatTheEffectsDoNotExplain) {
  std::vector<Effect> column = {{"column", "t.b", "npg_catalog.int4"}};
  EXPECT_EQ(Reason(column, "table public.t", "9"), "");
  EXPECT_EQ(Reason(column, "table public.keep", "9"), "it changes the table public.keep");
  EXPECT_NE(Reason(column, "view public.v", "9"), "");
  EXPECT_NE(Reason(column, "comment on table public.keep", "9"), "");
}

TEST(IntentProof, NothingAppearsThatTheEffectsDoNotExplain) {
  const auto reason = [](const std::vector<Effect> &effects, const std::string &key) {
    const std::string after =
        std::string(kBefore, sizeof(kBefore) - 2) + ", \"" + key + "\": \"1\"}";
    return ExplainChanges(effects, {}, kBefore, after).reason;
  };
  const std::vector<Effect> made = {{"create table", "n", ""}, {"column", "n.id", "nserial"}};
  EXPECT_EQ(reason(made, "table public.n"), "");
  EXPECT_EQ(reason(made, "column id of table public.n"), "");
  EXPECT_EQ(reason(made, "sequence public.n_id_seq"), "");
  EXPECT_EQ(reason(made, "table public.leak"),
            "it makes the table public.leak, which was not asked for");
  EXPECT_NE(reason(made, "grants on table public.keep to app"), "");
  EXPECT_NE(reason(made, "policy open on public.keep"), "");
  EXPECT_EQ(reason({{"other", "", "ngrant\nnselect\nnon\nnkeep\nnto\nnapp"}},
                   "grants on table public.keep to app"),
            "");
  EXPECT_NE(reason({{"other", "", "ngrant\nnselect\nnon\nnt\nnto\nnapp"}},
                   "grants on table public.keep to app"),
            "");
}

TEST(IntentProof, RowsChangeOnlyWhereTheOriginalAsksForIt) {
  const std::string record =
      R"({"rows": {"public.t": {"inserted": 1}, "sales.u": {"deleted": 2}}})";
  EXPECT_TRUE(ExplainRows(R"(["public.t", "sales.u"])", record).preserved);
  EXPECT_EQ(ExplainRows(R"(["public.t"])", record).reason,
            "it changes rows of sales.u, which the original does not name");
  EXPECT_TRUE(ExplainRows("", record).preserved);      // a function may change any
  EXPECT_TRUE(ExplainRows("null", record).preserved);  // a trigger may
  EXPECT_FALSE(ExplainRows("[]", "no record").preserved);
}

TEST(IntentProof, RowsOfAnyTableMayChangeOnlyByWhatIsOpaque) {
  EXPECT_EQ(RowsExpression({{"other", "", "ndo\ns..."}}), "");
  EXPECT_EQ(RowsExpression({{"select", "", "nselect\nnsweep\no(\no)"}}), "");
  EXPECT_NE(RowsExpression({{"select", "", "nselect\nnlower\no(\nnname\no)"}}), "");
  EXPECT_EQ(RowsExpression({{"column", "t.a", "nint4"}}), "'[]'");
  EXPECT_NE(RowsExpression({{"rows delete", "sales.t", "ndelete"}}).find("(E'sales', E't')"),
            std::string::npos);
}

TEST(IntentProof, WhatIsGivenIsAskedFor) {
  const std::string facts =
      FactsExpression({{"other", "", "ngrant\nnselect\nnon\nnsales\no.\nnt\nnto\nnapp"},
                       {"create policy", "t.own", ""},
                       {"index", "t", "ncreate\nnunique\nnindex\nni\nnon\nnt"}});
  EXPECT_NE(facts.find("(E'grant', E'sales', E't', E'select', E'app')"), std::string::npos);
  EXPECT_NE(facts.find("(E'policy', E'', E't', E'own', E'')"), std::string::npos);
  EXPECT_NE(facts.find("(E'index', E'', E't', E'i', E'unique')"), std::string::npos);
}

TEST(IntentProof, AViewFollowsATypeOnlyWhenItWasPutBackAsItWas) {
  std::vector<Effect> type = {{"column type", "t.a", "npg_catalog.int8"}};
  EXPECT_NE(Reason(type, "view public.v", "9"), "");
  EXPECT_EQ(Reason(type, "view public.v", "9", {"v"}), "");
  EXPECT_NE(Reason(type, "view public.v", "", {"v"}), "");
}

TEST(IntentProof, WhatIsNoListOfObjectsProvesNothing) {
  EXPECT_FALSE(ExplainChanges({}, {}, "{}", "[").preserved);
  EXPECT_FALSE(ExplainChanges({}, {}, "7", "{}").preserved);
  EXPECT_TRUE(ExplainChanges({}, {}, "{}", "{}").preserved);
}

TEST(IntentProof, FactsAreAskedForByConstantsOnly) {
  std::string facts = FactsExpression(
      {{"create table", "it's \\ a", ""}, {"not null", "t.a'); DROP TABLE keep; --", ""}});
  EXPECT_NE(facts.find(R"(E'it''s \\ a')"), std::string::npos);
  EXPECT_NE(facts.find("E'a''); DROP TABLE keep; --'"), std::string::npos);
}

TEST(IntentProof, WhatIsTakenAwayAgainIsNotAskedFor) {
  EXPECT_EQ(FactsExpression({{"create table", "a", ""}, {"drop table", "a", ""}}), "");
  EXPECT_EQ(FactsExpression({{"column", "a.b", "nt"}, {"rename", "a.b", "nc"}}), "");
  EXPECT_EQ(FactsExpression({}), "");
  EXPECT_EQ(FactsExpression({{"foreign key", "a", "nb\no->\nnc\no(\no)\nnnot valid"}}), "");
}

}  // namespace
}  // namespace agent_branch
