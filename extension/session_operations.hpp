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

// A migration as it is written down: read, in the caller's backend.
struct MigrationText {
  std::string sql;
  std::optional<std::string> name;
  std::optional<std::string> script;  // JSON; none where it cannot be kept
};
// Raises the reason where nothing of the text can ever run.
MigrationText ReadMigration(const std::string &sql, const std::optional<std::string> &name);

// Returns its ordinal. Whether the session takes migrations is asked by RequireTakesMigrations().
int32_t AddMigration(Oid caller, int64_t session_id, const MigrationText &text);
// The ordinal of the migration that the text is already, or whose place it has taken: that of the
// same name, or the one that the session failed for. Nothing where it is a new one. Raises when the
// name is another text's, and for any other text while one stands failed.
std::optional<int32_t> FindMigration(Oid caller, const Session &session, const MigrationText &text);
void RequireTakesMigrations(const Session &session);

// `wanted`: what was given; the project's options and the defaults stand in for the rest.
void RequestMerge(Oid caller, const Session &session, const MergeWishes &wanted);

}  // namespace agent_branch
