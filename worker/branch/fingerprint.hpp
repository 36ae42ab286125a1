// The statements that describe a database's schema, object by object, as hashes.
//
// It covers what a restore overwrites, as far as one database shows it: the schema of this database
// as a schema-only dump has it, and of the cluster the databases (owner, settings, privileges),
// roles and memberships. Each object has a key, "kind identity". What can be changed by itself is
// an object by itself:
//
//   table public.t, view public.v, ...            without what follows
//   column a of table public.t                    type, default, NOT NULL, storage, options
//   order of columns of table public.t            names only; its difference alone is no conflict
//   index public.i; constraint c on public.t; trigger, rule, policy p on public.t
//   grants on table public.t to app               where they are not the default
//   grants on column a of table public.t to app
//   dependence of index public.i on extension x   ALTER ... DEPENDS ON EXTENSION
//   database                                      this one, whatever its name is
//   database other; settings of database other    not what is in it: that takes a connection there
//   role app; membership of app in team; password of role app; settings of role app
//   large objects                                 which there are, whose, and who may read them
//
// Left out is what nobody changed: roles and grants of Neon's own, names of foreign keys' parts
// that PostgreSQL numbers, temporary objects, whether a materialized view was filled. Not seen by
// who is no superuser: passwords, a subscription's connection, other roles' user mappings' options.
#pragma once

#include <string>
#include <vector>

#include "worker/core/merge/three_way.hpp"

namespace agent_branch {

// server_version_num: such as 150004. Each is a SELECT without parameters that returns rows of one
// column: a JSON object "kind identity" → hash, with some of the objects. A row stays below the
// 16 MiB that a connection accepts, however many objects there are. By themselves they see
// one snapshot; in a migration's transaction, to prove it, each sees what others have committed by
// then. ReadFingerprint() makes one answer of their rows.
std::vector<std::string> FingerprintStatements(int server_version_num);

// keys: a JSON array of texts. One row with a JSON object: definition of each of these objects that
// exists, for people to read, cut to 8,000 characters.
std::string DefinitionsQuery(int server_version_num, const std::string &keys);

}  // namespace agent_branch
