// The part of a schema that is about given names, as text that a person or a model reads.
#pragma once

#include <string>

namespace agent_branch {

// The text of one SELECT that returns one row of one column. names: a JSON array of words in lower
// case. Found are tables, views, types and functions of these names, tables with columns of these
// names, and those that foreign keys tie to them; of all else the names. The text is bounded.
std::string SchemaExcerptQuery(const std::string &names);

}  // namespace agent_branch
