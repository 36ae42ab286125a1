// Whether a CREATE statement makes what there is already.
//
// What there is comes as a statement, too, made out of the catalogs: names with their schemas, a
// table's constraints behind its columns, each with its name. A statement as people write it says
// the same in other ways; both are brought into one form, in place, and then have to be equal().
// What is not understood is not the same.
#pragma once

#include "postgres/server.hpp"

namespace agent_branch {

// Calls PostgreSQL and may raise: to be called inside CallPg(). Changes both trees.
bool AreCreatedAlike(Node *wanted, Node *existing);

}  // namespace agent_branch
