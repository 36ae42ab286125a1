// What a merge would do, as values and as the JSON object that agent_merge_preview() returns.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "worker/core/merge/blast_radius.hpp"
#include "worker/core/merge/gates.hpp"
#include "worker/core/merge/merge_end.hpp"
#include "worker/core/merge/recorded_work.hpp"

namespace agent_branch {

// One of the four things that a merge finds out first; see docs/merging.md.
struct PreviewProof {
  bool holds = false;
  std::string why;  // not, or how it is known
};

// What one strategy could do.
struct PreviewStrategy {
  bool possible = false;
  Status why_not;
  std::vector<std::string> loses;  // what would not be on the parent afterwards
};

struct TableSize {
  std::optional<int64_t> rows;
  std::optional<int64_t> bytes;
};

struct MergePreview {
  std::string session;
  std::string project;
  std::string parent;

  std::string strategy;  // as agent_merges.chosen; empty: the merge would be refused
  std::string why;
  std::optional<MergeRefusal> refusal;

  PreviewProof still;
  PreviewProof same_schema;
  PreviewProof all_recorded;
  PreviewProof one_piece;

  std::vector<ObjectDifference> differences;        // what either side changed
  std::map<std::string, std::string> branch_texts;  // object → definition, where it was told
  std::map<std::string, std::string> parent_texts;
  std::vector<std::string> unrecorded;
  std::vector<TouchedTable> tables;
  std::map<std::string, RowCounts> rows;  // as recorded on the branch
  std::map<std::string, TableSize> sizes;
  std::vector<RecordedRisk> risks;
  std::vector<GateAnswer> gates;
  PreviewStrategy replay;
  PreviewStrategy restore;
  PreviewStrategy candidate;
};

std::string PreviewJson(const MergePreview &preview);
// In the place of a preview.
std::string PreviewError(const Status &why);

// The objects whose definitions are worth asking for, a JSON array of keys, for kDefinitions: those
// that are there (`on_branch`: on the branch, else on the parent), the first 300.
std::string DefinitionQuestion(const std::vector<ObjectDifference> &differences, bool on_branch);
std::map<std::string, std::string> ReadDefinitions(std::string_view answer);
// Of the answer to SizeQuestion().
std::map<std::string, TableSize> ReadTableSizes(std::string_view answer,
                                                const std::vector<std::string> &tables);

}  // namespace agent_branch
