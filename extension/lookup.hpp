// Finds the project and the session that a caller means, and says what may be done with it.
//
// Everything here runs inside an OwnerSession. What a caller may not see is reported exactly as
// what does not exist.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "postgres/spi.hpp"

namespace agent_branch {

// Access to the extension's tables for one step of a function, as their owner. 55000 when they are
// of another version than this library.
struct OwnerSession {
  OwnerSession();
  AsOwner owner;
  SpiSession spi;
};

struct Project {
  int64_t id;
  std::string name;
  std::string options;  // JSON
  bool paused;
  std::string pause_reason;  // may be empty
};

// Of those where the caller has level user or admin: by name, or the only one. Like
// FindAndLockSession() it sees what statements of the transaction's isolation level see, so that a
// row that refers to it can be written.
Project FindProject(Oid caller, const std::optional<std::string> &name);
// Like FindProject(), where the caller has level admin.
Project FindOwnProject(Oid caller, const std::string &name);
// 42501 unless the caller has level admin for every project; `function` is what it calls.
void RequireAdmin(Oid caller, const char *function);

struct Session {
  int64_t id;
  int64_t project_id;
  std::string project;
  std::string project_options;  // JSON
  std::string name;
  std::string state;
  std::string goal;  // empty: none
  std::string error;
  bool has_branch;
  bool finished;  // nothing more can be asked for
  bool expired;   // its time is over, whether or not the worker has seen to it
  bool settled;
  bool has_requests;     // that the worker has not taken yet
  bool merge_requested;  // one of them
  bool rebase_requested;
  bool undo_requested;
  bool open_migrations;  // queued or running
  bool made_here;        // by the transaction that asks
  bool requested_here;
  bool ours;    // of this installation: no worker of a copy touches the original's
  bool paused;  // its project
  std::string pause_reason;
  std::string shared_role;  // why the agent has no role of its own on the branch; empty: it has
};

enum class Reach {
  kOwn,         // sessions of the caller's roles
  kOwnOrAdmin,  // those of others too, for a role with access level admin in their project
  kSeen,        // and those that a monitor sees
};

// The unfinished session of this name, else the latest finished one. Raises 42704 when there is
// none, 42P08 when several projects have one and none was named.
Session FindSession(Oid caller, const std::string &name, const std::optional<std::string> &project,
                    Reach reach);
// The same, and keeps other backends from asking something of it until the transaction ends. The
// worker is not kept from anything.
Session FindAndLockSession(Oid caller, const std::string &name,
                           const std::optional<std::string> &project);
std::optional<Session> ReadSession(int64_t id);

// Locks backends among each other, until the end of the transaction. An object lock of a class that
// nobody else uses, and not an advisory lock, which every user could take as well.
void LockSession(int64_t id);

// 25001: nothing can be asked of a session that its own transaction has not committed.
void RequireCommitted(const Session &session);
void RequireUnfinished(const Session &session);
void RequireUnexpired(const Session &session);
// 55000: a copy of the database accepts nothing for the original's sessions, since nothing would
// come of it.
void RequireOurs(const Session &session);
// 55000, with the reason that agent_project_pause() was given.
void RequireNotPaused(const Session &session);
void RequireNotPaused(const Project &project);
// Whether the caller has level admin there.
bool IsAdminOf(Oid caller, int64_t project_id);

}  // namespace agent_branch
