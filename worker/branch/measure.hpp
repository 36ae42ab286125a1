// What a transaction took away or changed throughout, whatever the text was that did it.
//
// The schema and which tables have rows are noted before the transaction begins, outside of the
// server, where no script can change the note; right before COMMIT the catalogs and the tables
// that the transaction has locked for writing are held against it.
#pragma once

#include <chrono>
#include <string>

namespace agent_branch {

// Before the transaction: statements, and the expression that then gives the note as text. A
// table's first row is looked for, no more; a lock in its way is waited for this long.
std::string MeasureBaseline(std::chrono::milliseconds lock_timeout);
std::string BaselineExpression();

// Inside of it, after RecordPreparation(), with pg_catalog alone in the search_path: statements,
// and the expression that then gives the measure, a jsonb object. Each list has at most 50 items.
//
//   tables   those of before, as they were named then, with at least one of:
//     dropped, truncated, rewritten  true
//     detached    true: a partition, or a child, whose rows left their table
//     all         true: no row is left as it was; of a partitioned table, if the transaction wrote
//                 to it under its name, in none of the partitions
//     deleted, updated   rows, by the transaction's own count
//     columns     names of those that are gone
//     not_null    names of those that must not be null now, in a table that had rows
//     renamed     what is called otherwise now: the table, or table.column
//     bytes       as it is now, of what is not gone
//     lock        the strongest, of tables from 8 MiB on
//   objects  [{kind, name}] that are gone, and nothing of their kind has the name now; with
//            "renamed": true those that are there under another one
//   made     names of tables that are new
std::string MeasureStatements(const std::string &baseline);
std::string MeasureExpression();

}  // namespace agent_branch
