// A cheap proof that nothing of a schema has changed.
#pragma once

#include <string>

namespace agent_branch {

// The text of one SELECT without parameters that returns one row: 32 hexadecimal digits, an empty
// object, and the id (xid8) of the newest transaction that wrote one of the rows. The digits are
// over the place and xmin of every row of the system catalogs that FingerprintQuery() describes,
// over the rows themselves where those of a catalog cannot be read, and over the system identifier.
//
// What they prove. Within one history a row of a catalog is never changed in place in what it says
// (VACUUM and CREATE INDEX change only what no definition holds): a change makes a new version, at
// another place or by a later transaction. So, of one branch between two restores, equal digits
// mean equal catalogs. Different ones mean nothing (VACUUM FULL makes them differ): the fingerprint
// has to tell.
//
// A branch and its parent are two histories that begin with the same pages. Both hand out the same
// transaction ids next, and may put different rows of the same id in the same place. Their digits
// prove equal catalogs only if one side has no row from after the fork: its newest transaction is
// older than the parent's next transaction id from before the fork (StandpointQuery() tells it).
// Where that is not known, take both versions on one branch.
std::string CatalogVersionQuery(int server_version_num);

}  // namespace agent_branch
