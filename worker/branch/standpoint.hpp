// Where a server stands: what any write to it moves on.
#pragma once

#include <string>

namespace agent_branch {

// The text of one SELECT without parameters that returns one JSON object, which core/merge/
// standpoint.hpp reads and compares:
//
//   system_identifier   of the cluster; a Neon project's branches share one
//   database            this one's name
//   next_xid            the transaction id that comes next in the whole cluster, none being
//   assigned quiet               no transaction with an id is under way: one that began before may
//   write no
//                       further id when it commits
//   sequences           name → last value, null where it was never called; nextval() assigns an id
//                       only for every 32nd value that it hands out
//   unread_sequences    how many of them cannot be read, or may be set without an id (unlogged)
//   other_databases     those that admit connections: their sequences are told only there
//   statistics_since    when a crash last threw the statistics away, "" if never
//   changes             table → {inserted, updated, deleted}: rows ever changed, as the statistics
//                       have it
//
// Whatever changes rows, large objects, catalogs, roles or databases, by setval() too, takes a
// transaction id first, in every database and also when it is rolled back. VACUUM takes none but
// where it cuts a table's end off, nor do hint bits and checkpoints; ANALYZE does, so autovacuum
// moves a parent on once for each table after its last changes (within a minute or so), and then no
// more. It costs about two milliseconds, most of it for the first use of the catalogs.
std::string StandpointQuery();

// Which transactions committed since `since`, an xid8 in decimal, besides `own`, a JSON array of
// pairs of ids: a migration's transaction, and the id that came next when it was about to commit.
// One JSON object:
//
//   next_xid
//   foreign_count      null: more than 100,000 ids, of which none was looked at
//   foreign            the first 100 of them
//   changes            as in StandpointQuery()
//   statistics_since   the same
//   recent_clients     other sessions that may have done what the statistics do not tell yet
//   written            table → rows that were written by none of the pairs, -1 where it was
//                      truncated, rewritten or cannot be read; looked for when there is any foreign
//                      id
//
// A PL/pgSQL block with an EXCEPTION clause has an id of its own, which is told as foreign, though
// it lies within its migration's pair. ANALYZE by autovacuum takes one, too, and leaves no row.
std::string UnrecordedQuery(const std::string &since, const std::string &own);

}  // namespace agent_branch
