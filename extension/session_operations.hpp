// What can be asked of sessions, in C++: the SQL functions and agent_run() both come here.
//
// Each runs inside an OwnerSession and writes rows and a request; checks that need the session's
// state expect it to be locked (FindAndLockSession), so that it is the same until the commit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "extension/lookup.hpp"
#include "worker/core/state/checks.hpp"

namespace agent_branch {

struct NewSession {
  std::string name;
  std::optional<std::string> project;
  std::optional<int64_t> ttl;  // microseconds
  std::string options = "{}";  // JSON
};

struct CreatedSession {
  int64_t id;
  std::string branch_name;
};

CreatedSession CreateSession(Oid caller, const NewSession &wanted);

// Returns its ordinal. Whether the session takes migrations is asked by RequireTakesMigrations().
int32_t AddMigration(Oid caller, int64_t session_id, const std::string &sql,
                     const std::optional<std::string> &name);
// Puts the text in the place of the last migration, when that is what the session failed for;
// returns nothing when it is not.
std::optional<int32_t> ReplaceMigration(Oid caller, const Session &session, const std::string &sql,
                                        const std::optional<std::string> &name);
void RequireTakesMigrations(const Session &session);

// `wanted`: what was given; the project's options and the defaults stand in for the rest.
void RequestMerge(Oid caller, const Session &session, const MergeWishes &wanted);

}  // namespace agent_branch
