#include "worker/core/state/branch_tree.hpp"

#include <gtest/gtest.h>

namespace agent_branch {
namespace {

const std::vector<BranchNode> kNodes = {{"shiny-wind", "development", ""},
                                        {"shiny-wind", "branch-a", "ready"},
                                        {"shiny-wind", "branch-b", "backup"},
                                        {"calm-sea", "main", ""}};

TEST(BranchTree, TextHangsBranchesUnderTheirParent) {
  EXPECT_EQ(DrawBranchTree(kNodes, "text").value(),
            "development (shiny-wind)\n"
            "├─ branch-a [ready]\n"
            "└─ branch-b [backup]\n"
            "main (calm-sea)\n");
  EXPECT_EQ(DrawBranchTree({}, "text").value(), "");
}

TEST(BranchTree, MermaidHasANodeAndAnEdgeForEachBranch) {
  EXPECT_EQ(DrawBranchTree(kNodes, "mermaid").value(),
            "graph LR\n"
            "  b0[\"development (shiny-wind)\"]\n"
            "  b1[\"branch-a [ready]\"]\n"
            "  b0 --> b1\n"
            "  b2[\"branch-b [backup]\"]\n"
            "  b0 --> b2\n"
            "  b3[\"main (calm-sea)\"]\n");
}

TEST(BranchTree, NamesCannotBecomePartOfTheDrawing) {
  const std::vector<BranchNode> nodes = {{"p", "a\"] --> <script>&#x", ""}};
  const std::string mermaid = DrawBranchTree(nodes, "mermaid").value();
  EXPECT_NE(mermaid.find("b0[\"a#34;] --#62; #60;script#62;#38;#35;x (p)\"]"), std::string::npos)
      << mermaid;
  const std::string svg = DrawBranchTree(nodes, "svg").value();
  EXPECT_NE(svg.find(">a&#34;] --&#62; &#60;script&#62;&#38;&#35;x (p)</text>"), std::string::npos)
      << svg;
}

TEST(BranchTree, AnotherFormatIsRefused) {
  EXPECT_EQ(DrawBranchTree(kNodes, "png").status().sqlstate(), "22023");
  EXPECT_FALSE(DrawBranchTree(kNodes, "png").status().hint().empty());
}

}  // namespace
}  // namespace agent_branch
