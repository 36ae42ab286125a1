// What asks a gate, inside of a transaction that was begun READ ONLY.
#pragma once

#include <string>

namespace agent_branch {

// Statements that return, as one column of one row, a JSON array of texts: the first six rows of
// the query `sql`, each as JSON, cut to 1,000 characters.
//
// The text is the project's, and reaches the server as a value: what it is run as is one query
// inside of another, whatever is in it. It can neither end the transaction nor make it writable,
// since a snapshot was taken before.
std::string GateScript(const std::string &sql);

}  // namespace agent_branch
