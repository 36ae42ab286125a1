// Who kept a migration from a lock that it waited for in vain.
//
// The server says of a lock time-out only that there was one. Asked at once afterwards, it still
// knows who holds locks on the migration's relations, and since when.
#pragma once

#include <string>

namespace agent_branch {

// A query of one text column: a JSON array of those that hold locks now, the longest transaction
// first, three at most. relations: a JSON array of names as SQL has them; "[]": any relation.
std::string BlockerQuery(const std::string &relations);

// The answer as sentences for an error's detail, such as "Process 4711 of role app (application
// psql) has held ACCESS SHARE on public.todos since 2026-11-27 12:00:00+00: SELECT …". "" when
// nobody is named, or the answer is of another form.
std::string DescribeBlockers(const std::string &answer);

}  // namespace agent_branch
