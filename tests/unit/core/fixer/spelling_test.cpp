#include "worker/core/fixer/spelling.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

TEST(Spelling, ASlipOfThePenIsNear) {
  EXPECT_EQ(EditDistance("form", "from"), 1U);  // neighbours that changed places
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3U);
  EXPECT_TRUE(AreAlike("customerid", "customer_id"));
  EXPECT_TRUE(AreAlike("created", "created_at"));
  EXPECT_TRUE(AreAlike("totl", "total"));
  EXPECT_TRUE(AreAlike("cust_id", "customer_id"));
  EXPECT_TRUE(AreAlike("categories", "category"));
  EXPECT_FALSE(AreAlike("owner", "secret"));
}

TEST(Spelling, AnotherThingOfTheSameKindIsNoSlip) {
  EXPECT_FALSE(AreAlike("min_price", "max_price"));
  EXPECT_FALSE(AreAlike("address1", "address2"));
  EXPECT_FALSE(AreAlike("events_2024_01", "events_2024_02"));
  EXPECT_FALSE(AreAlike("buyer_id", "payer_id"));
  EXPECT_FALSE(AreAlike("paid", "id"));
  EXPECT_FALSE(AreAlike("paid", "said"));
  EXPECT_FALSE(AreAlike("inactive", "active"));
  EXPECT_FALSE(AreAlike("orders", "order_items"));
}

TEST(Spelling, WhatTwoNamesMayBeIsNeither) {
  EXPECT_TRUE(IsNearest("created", "created_at", {"created_at", "id"}));
  EXPECT_FALSE(IsNearest("created", "created_at", {"created_at", "created_by"}));
  EXPECT_FALSE(IsNearest("totl", "paid", {"paid", "total"}));
  EXPECT_FALSE(IsNearest("user", "users", {"users", "usera"}));
}

TEST(Spelling, WhatIsDroppedIsInDoubtSooner) {
  EXPECT_TRUE(MayBeMeant("order_old", "orders_old"));
  EXPECT_TRUE(MayBeMeant("orders_backup", "orders"));
  EXPECT_FALSE(MayBeMeant("order_lines", "orders"));
}

}  // namespace
}  // namespace agent_branch
