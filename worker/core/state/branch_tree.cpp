#include "worker/core/state/branch_tree.hpp"

#include <algorithm>

#include "worker/core/state/checks.hpp"

namespace agent_branch {
namespace {

bool IsParent(const BranchNode &node) {
  return node.note.empty();
}

std::string Label(const BranchNode &node) {
  return IsParent(node) ? node.branch + " (" + node.project + ")"
                        : node.branch + " [" + node.note + "]";
}

std::string TextTree(const std::vector<BranchNode> &nodes) {
  std::string tree;
  for (size_t n = 0; n < nodes.size(); ++n) {
    const bool last = n + 1 == nodes.size() || IsParent(nodes[n + 1]);
    if (!IsParent(nodes[n])) tree += last ? "\u2514\u2500 " : "\u251c\u2500 ";
    tree += Label(nodes[n]) + "\n";
  }
  return tree;
}

// For XML, and for the quoted labels of Mermaid, which know the same numbered entities: there they
// end in ";" and begin with "#", here with "&#".
std::string Escaped(std::string_view text, std::string_view begin) {
  std::string escaped;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool special = std::string_view("\"&'<>#;`\\").find(c) != std::string_view::npos;
    if (special)
      escaped += std::string(begin) + std::to_string(byte) + ";";
    else
      escaped += byte < 0x20 || byte == 0x7F ? '?' : c;
  }
  return escaped;
}

std::string MermaidTree(const std::vector<BranchNode> &nodes) {
  std::string tree = "graph LR\n";
  size_t parent = 0;
  for (size_t n = 0; n < nodes.size(); ++n) {
    if (IsParent(nodes[n])) parent = n;
    tree += "  b" + std::to_string(n) + "[\"" + Escaped(Label(nodes[n]), "#") + "\"]\n";
    if (n != parent) tree += "  b" + std::to_string(parent) + " --> b" + std::to_string(n) + "\n";
  }
  return tree;
}

constexpr size_t kLine = 24;  // pixels

size_t Indent(const BranchNode &node) {
  return IsParent(node) ? 10 : 40;
}

std::string SvgLine(const BranchNode &node, size_t y, size_t parent_y) {
  const std::string at = std::to_string(y);
  std::string line;
  if (!IsParent(node))
    line = "<path d=\"M16 " + std::to_string(parent_y + 6) + "V" + at +
           "H34\" fill=\"none\" stroke=\"currentColor\"/>";
  return line + "<text x=\"" + std::to_string(Indent(node)) + "\" y=\"" + at +
         "\" dominant-baseline=\"middle\">" + Escaped(Label(node), "&#") + "</text>\n";
}

std::string SvgTree(const std::vector<BranchNode> &nodes) {
  constexpr size_t kCharacter = 8;
  size_t width = 0;
  size_t parent_y = 0;
  std::string lines;
  for (size_t n = 0; n < nodes.size(); ++n) {
    const size_t y = kLine * n + kLine / 2;
    if (IsParent(nodes[n])) parent_y = y;
    width = std::max(width, Indent(nodes[n]) + kCharacter * (Label(nodes[n]).size() + 1));
    lines += SvgLine(nodes[n], y, parent_y);
  }
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(width) +
         "\" height=\"" + std::to_string(kLine * nodes.size()) +
         "\" font-family=\"monospace\" font-size=\"13\" fill=\"currentColor\">\n" +
         "<title>Branches</title>\n" + lines + "</svg>\n";
}

}  // namespace

Result<std::string> DrawBranchTree(const std::vector<BranchNode> &nodes, std::string_view format) {
  if (format == "text") return TextTree(nodes);
  if (format == "mermaid") return MermaidTree(nodes);
  if (format == "svg") return SvgTree(nodes);
  return Status::Error("22023", "unknown format " + Quoted(format), {},
                       "Formats are \"text\", \"mermaid\" and \"svg\".");
}

}  // namespace agent_branch
