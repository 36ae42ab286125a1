// What a transaction did, asked of the server from inside of it right before its COMMIT.
#pragma once

#include <string>

namespace agent_branch {

// Before the transaction begins, in a query of its own: notes in settings of the session what
// RecordExpression() compares with. Inside of the transaction it would be too late: a script may
// begin with SET TRANSACTION, which has to come before any query. Turns track_counts on where the
// role may.
std::string RecordBaseline();

// An SQL expression for the transaction, with pg_catalog alone in the search_path: a JSON object as
// text.
//
//   invalid        names of indexes that are, without their schemas; 100 at most
//   counted        false: track_counts is off and cannot be turned on, `rows` says nothing
//   rows           table → {inserted, updated, deleted}; not of tables that were dropped
//   rewritten      tables that got a new file: TRUNCATE, ALTER TABLE that rewrites, VACUUM FULL
//   locks          table → the strongest lock that the transaction holds on it
//   sequences      those that were there before and moved meanwhile, by anybody
//   next_xid       the transaction id that comes next: ids of subtransactions are below it
//   milliseconds   since the transaction began: no lock was held for longer
//   done           what branch/measure.hpp says, where that is asked for
//
// A partition is told by its own name, toast goes without saying, temporary tables are left out.
// Names are qualified and quoted.
std::string RecordExpression(bool measured);

// What is run before it in the same subtransaction: it finds the first transaction id that neither
// the transaction nor its subtransactions can have.
std::string RecordPreparation();

}  // namespace agent_branch
