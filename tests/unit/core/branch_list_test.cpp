#include "worker/core/neon/branch_list.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/calls_fixture.hpp"

namespace agent_branch {
namespace {

using Strings = std::vector<std::string>;

struct ListFixture : CallsFixture {
  explicit ListFixture(const std::string &until = {}) {
    BranchListing listing;
    listing.like.project = &project;
    listing.search = "a";
    listing.until = until;
    listing.then = [this](const Result<std::vector<NeonBranch>> &branches) {
      ++ends;
      status = branches.status();
      if (!branches.ok()) return;
      for (const NeonBranch &branch : branches.value())
        names.push_back(branch.name);
    };
    listing.on_page = [this](uint64_t id) { pages.push_back(id); };
    first = ListBranches(*calls, std::move(listing));
  }
  // Answers the page that was asked for last.
  void Page(const std::string &name, const std::string &next, int http_status = 200) {
    Turn();
    std::string branches =
        name.empty() ? "" : R"({"id":"br-)" + name + R"(","name":")" + name + "\"}";
    Answer(http.sent.size() - 1, http_status,
           R"({"branches":[)" + branches + R"(],"pagination":{"next":")" + next + "\"}}");
  }

  uint64_t first = 0;
  int ends = 0;
  Status status;
  Strings names;
  std::vector<uint64_t> pages;
};

TEST(BranchList, PagesAreFollowedToTheLast) {
  ListFixture fixture;
  fixture.Page("one", "c1");
  fixture.Page("two", "c2");
  EXPECT_EQ(fixture.ends, 0);
  fixture.Page("three", "");
  EXPECT_EQ(fixture.ends, 1);
  EXPECT_EQ(fixture.names, (Strings{"one", "two", "three"}));
  EXPECT_EQ(
      fixture.Sent(),
      (Strings{
          "/projects/p1/branches?limit=100&sort_by=created_at&sort_order=asc&search=a",
          "/projects/p1/branches?limit=100&sort_by=created_at&sort_order=asc&search=a&cursor=c1",
          "/projects/p1/branches?limit=100&sort_by=created_at&sort_order=asc&search=a&cursor=c2"}));
  EXPECT_EQ(fixture.pages.size(), 2u);
}

TEST(BranchList, CursorOnTheLastPageEndsWithAnEmptyOne) {
  ListFixture fixture;
  fixture.Page("one", "c1");
  fixture.Page("", "c2");
  EXPECT_EQ(fixture.ends, 1);
  EXPECT_EQ(fixture.names, Strings{"one"});
}

TEST(BranchList, CursorThatRepeatsEndsTheList) {
  ListFixture fixture;
  fixture.Page("one", "c1");
  fixture.Page("two", "c1");
  EXPECT_EQ(fixture.ends, 1);
  EXPECT_EQ(fixture.names, (Strings{"one", "two"}));
}

TEST(BranchList, PageThatIsRefusedOrOfAnotherShapeIsAnErrorAndNoList) {
  ListFixture refused;
  refused.Page("one", "c1");
  refused.Page("two", "", 400);
  EXPECT_EQ(refused.ends, 1);
  EXPECT_FALSE(refused.status.ok());
  EXPECT_TRUE(refused.names.empty());
  ListFixture malformed;
  malformed.Page("one", "c1");
  malformed.Turn();
  malformed.Answer(1, 200, R"({"branches":[{"name":"no id"}]})");
  EXPECT_EQ(malformed.ends, 1);
  EXPECT_EQ(malformed.status.sqlstate(), "08P01");
}

TEST(BranchList, PageThatIsUnavailableIsAskedForAgain) {
  ListFixture fixture;
  fixture.Page("one", "c1");
  fixture.Page("", "", 503);
  EXPECT_EQ(fixture.ends, 0);
  fixture.clock.Advance(milliseconds(10'000));
  fixture.Page("two", "");
  EXPECT_EQ(fixture.names, (Strings{"one", "two"}));
}

TEST(BranchList, NameThatIsFoundEndsTheSearch) {
  ListFixture fixture("two");
  fixture.Page("one", "c1");
  fixture.Page("two", "c2");
  EXPECT_EQ(fixture.ends, 1);
  EXPECT_EQ(fixture.names, (Strings{"one", "two"}));
}

TEST(BranchList, ListThatIsTakenBackTellsNothing) {
  ListFixture fixture;
  fixture.Page("one", "c1");
  ASSERT_EQ(fixture.pages.size(), 1u);
  EXPECT_TRUE(fixture.calls->Cancel(fixture.pages[0]));
  fixture.Turn();
  EXPECT_EQ(fixture.http.sent.size(), 1u);
  EXPECT_EQ(fixture.ends, 0);
}

}  // namespace
}  // namespace agent_branch
