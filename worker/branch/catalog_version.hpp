// A cheap proof that nothing of a schema has changed.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace agent_branch {

// Each is a SELECT without parameters that returns one text; all of them are to see one snapshot.
// One for each of the system catalogs that FingerprintStatements() describe: their union would take
// the server three times as long, most of it to plan.
std::vector<std::string> CatalogVersionStatements(int server_version_num);

struct CatalogVersion {
  // 32 hexadecimal digits over the place and xmin of every row of the catalogs, over the rows
  // themselves where those of a catalog cannot be read, and over the system identifier.
  std::string digits;
  std::string newest;  // the id (xid8) of the newest transaction that wrote one of the rows
};
// rows: what the statements returned, in their order. Nothing when these are no such texts.
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
std::optional<CatalogVersion> ReadCatalogVersion(const std::vector<std::string> &rows);

}  // namespace agent_branch
