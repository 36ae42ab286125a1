// What a session's migrations do to tables that were there before, as measured when they ran on its
// branch: how many tables, how many rows, which locks and for how long. A gate may limit it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/core/base/clock.hpp"
#include "worker/core/merge/replay_judgement.hpp"
#include "worker/core/state/model.hpp"

namespace agent_branch {

struct RadiusSources {
  ChangedRows recorded;
  // The migrations empty or drop tables as they are written: rows of a table that got a new file
  // may be gone.
  bool takes_rows_away = false;
  ObjectMap base;
  // Table → its number in the catalog, on each side.
  std::map<std::string, int64_t> branch_tables;
  std::map<std::string, int64_t> parent_tables;
};

// One table of the parent that the migrations touch.
struct TouchedTable {
  std::string table;
  bool dropped = false;
  bool rewritten = false;
  int64_t updated = 0;
  int64_t deleted = 0;
  std::string lock;  // the strongest; empty: none was told of
};

// Tables that the migrations write to, rewrite, drop, rename or lock more strongly than a writer
// does, by name on the parent.
std::vector<TouchedTable> FindTouched(const RadiusSources &sources);

struct BlastRadius {
  std::set<std::string> tables;
  // Nothing: it was not counted, or the size of a table is not known.
  std::optional<int64_t> rows_rewritten = 0;
  std::optional<int64_t> rows_deleted = 0;
  std::string strongest_lock;
  std::string locked_table;  // the first that it was taken on
  // The time of the transactions from the first on that kept writers out of such a table: as one
  // transaction, which a merge makes of them, they would not be locked for longer.
  milliseconds longest_lock{0};
  bool locks_known = true;
};

// sizes: table → its rows on the parent, of those that are dropped or rewritten.
BlastRadius MeasureRadius(const RadiusSources &sources, const std::vector<TouchedTable> &touched,
                          const std::map<std::string, int64_t> &sizes);

// What exceeds the gate's limits, a JSON object each; what was not measured exceeds any.
std::vector<std::string> FindExceeded(const GateRow &gate, const BlastRadius &radius);

// For kRisks: the question how many rows these tables have, and the answer read.
std::string SizeQuestion(const std::vector<std::string> &tables);
std::map<std::string, int64_t> ReadSizes(std::string_view answer,
                                         const std::vector<std::string> &tables);

}  // namespace agent_branch
