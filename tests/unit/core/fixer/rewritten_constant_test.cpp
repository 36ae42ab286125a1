#include "worker/core/fixer/rewritten_constant.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

TEST(RewrittenConstant, TheSameValueInAnotherNotation) {
  EXPECT_TRUE(IsTheSameValue("12,50", "12.50"));
  EXPECT_TRUE(IsTheSameValue("1,234.50", "1234.50"));
  EXPECT_TRUE(IsTheSameValue("31/12/2025", "2025-12-31"));
  EXPECT_TRUE(IsTheSameValue("12/31/2025", "2025-12-31"));
  EXPECT_TRUE(IsTheSameValue("2025/12/31", "2025-12-31"));
  EXPECT_TRUE(IsTheSameValue("OK", "ok"));
}

TEST(RewrittenConstant, AnotherValueIsAnother) {
  EXPECT_FALSE(IsTheSameValue("100x", "0"));
  EXPECT_FALSE(IsTheSameValue("100x", "100"));
  EXPECT_FALSE(IsTheSameValue("7a", "8"));
  EXPECT_FALSE(IsTheSameValue("12,50", "1250"));
  EXPECT_FALSE(IsTheSameValue("31/12/2025", "2025-12-30"));
  EXPECT_FALSE(IsTheSameValue("31/12/2025", "2026-12-31"));
  EXPECT_FALSE(IsTheSameValue("", ""));
}

TEST(RewrittenConstant, WhatMayBeReadInTwoWaysIsRefused) {
  EXPECT_FALSE(IsTheSameValue("1,234", "1234"));
  EXPECT_FALSE(IsTheSameValue("1,234", "1.234"));
  EXPECT_FALSE(IsTheSameValue("02/03/2025", "2025-02-03"));
  EXPECT_FALSE(IsTheSameValue("02/03/2025", "2025-03-02"));
}

}  // namespace
}  // namespace agent_branch
