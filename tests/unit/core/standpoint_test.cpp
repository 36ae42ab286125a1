#include "worker/core/merge/standpoint.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

constexpr const char *kAnswer =
    R"({"system_identifier": "7", "database": "d", "next_xid": "731", "quiet": true,
        "sequences": {"public.s": 5, "public.u": null}, "unread_sequences": 0,
        "other_databases": ["postgres"]})";

TEST(Standpoint, AnswerIsRead) {
  const Standpoint read = ReadStandpoint(kAnswer).value();
  EXPECT_EQ(read.next_xid, "731");
  EXPECT_EQ(read.sequences.at("public.s"), "5");
  EXPECT_EQ(read.sequences.at("public.u"), "");
  EXPECT_EQ(read.other_databases, std::vector<std::string>{"postgres"});
  for (const char *text : {"", "{}", "[]", R"({"next_xid": 5})"})
    EXPECT_FALSE(ReadStandpoint(text).ok()) << text;
}

TEST(Standpoint, EachThingThatMovesIsNoticed) {
  const Standpoint then = ReadStandpoint(kAnswer).value();
  EXPECT_EQ(WhatMoved(then, then), "");
  Standpoint now = then;
  now.next_xid = "732";
  EXPECT_NE(WhatMoved(then, now), "");
  now = then;
  now.system_identifier = "8";
  EXPECT_NE(WhatMoved(then, now), "");
  now = then;
  now.quiet = false;
  EXPECT_NE(WhatMoved(then, now), "");
  EXPECT_NE(WhatMoved(now, then), "");
  now = then;
  now.sequences["public.s"] = "6";
  EXPECT_EQ(WhatMoved(then, now), "sequence public.s moved");
  now = then;
  now.sequences.erase("public.u");
  EXPECT_EQ(WhatMoved(then, now), "sequence public.u moved");
  EXPECT_EQ(WhatMoved(now, then), "sequence public.u moved");
  now = then;
  now.unread_sequences = 1;
  EXPECT_NE(WhatMoved(then, now), "");
  now = then;
  now.other_databases.clear();
  EXPECT_NE(WhatMoved(then, now), "");
}

}  // namespace
}  // namespace agent_branch
