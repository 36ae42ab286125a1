// A cheap proof that nothing of a schema has changed.
#pragma once

#include <string>

namespace agent_branch {

// The text of one SELECT without parameters that returns one row: 32 hexadecimal digits, and an
// empty object. The digits are over place and xmin of every row of the system catalogs that
// FingerprintQuery() describes, and over the rows themselves where those of a catalog cannot be
// read.
//
// Within one branch between two restores, a row of a catalog is never changed in place in what it
// says: a change makes a new version, at another place or by a later transaction. So equal digits
// mean equal catalogs; different ones mean nothing (VACUUM FULL makes them differ), and the
// fingerprint has to tell. A new branch has its parent's pages, and so the parent's digits. This
// takes a third of the fingerprint's time.
std::string CatalogVersionQuery(int server_version_num);

}  // namespace agent_branch
