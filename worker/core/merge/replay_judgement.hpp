// Whether a transaction that replayed migrations on the parent may be committed: pure functions
// over what both sides say of themselves.
//
// Equal schema is not enough: dropping a table and making it again converges, and loses its rows.
// So the rows by table are held against those that the migrations changed on the branch, too.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/base/status.hpp"
#include "worker/core/merge/three_way.hpp"

namespace agent_branch {

struct RowCounts {
  int64_t inserted = 0;
  int64_t updated = 0;
  int64_t deleted = 0;

  bool any() const { return inserted != 0 || updated != 0 || deleted != 0; }
  bool operator==(const RowCounts &other) const = default;
};

// Of one transaction.
struct HeldLocks {
  std::map<std::string, std::string> strongest;  // by table, as PostgreSQL names it
  int64_t milliseconds = 0;                      // no lock was held for longer
};

// Rows by table, as a migration's record has them (branch/record.hpp), and summed over several.
struct ChangedRows {
  bool counted = true;  // false: the server did not count, and `tables` says nothing
  std::map<std::string, RowCounts> tables;
  std::set<std::string> rewritten;  // tables that got a new file: TRUNCATE, ALTER TABLE
  std::set<std::string> sequences;  // that moved
  int64_t milliseconds = 0;
  bool locks_known = true;  // false: something ran that did not tell of its locks
  std::vector<HeldLocks> locks;
  // The transactions that did it: each one's id, and the id that came next when it was about to
  // commit, a JSON array each, a comma between them.
  std::string transactions;
};

// Adds a record, or all of an array of them. Fails with 22P02 when the text is none; an empty one
// says nothing, so that the sum is not counted any more.
Status AddRecord(std::string_view record, ChangedRows *sum);

// The objects that count when a branch and its parent are held against each other: without those of
// the managed schemas, and without passwords. A protected parent's children have others, and a
// replay leaves the parent's as they are.
ObjectMap WithoutManaged(const ObjectMap &objects, const std::vector<std::string> &managed_schemas);

// What the parent has to be after the replay: what it was before, with what only the branch changed
// since the fork as it is on the branch.
ObjectMap ExpectedAfterReplay(const ObjectMap &base, const ObjectMap &branch,
                              const ObjectMap &parent);

// The objects that are not what they are to be, at most `limit`. The order of a table's columns is
// left out where both sides changed it (differences of kind kOrder are no conflict).
std::vector<std::string> FindUnexpected(const ObjectMap &expected, const ObjectMap &after,
                                        size_t limit);

// Empty: the rows changed as they did on the branch. Else what differs, as a clause for people.
//
// The same statements ran, so each table is inserted into, updated and deleted from on both sides
// or on neither. How many rows may differ, since others write to the parent; but no more may be
// deleted there than were on the branch: those would be rows that the migrations never saw. Tables
// that were renamed or dropped later are found by their counts.
std::string CompareRows(const ChangedRows &branch, const ChangedRows &parent,
                        const ObjectMap &branch_objects);

}  // namespace agent_branch
