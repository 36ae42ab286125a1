// What a statement does, read off its raw parse tree: for the comparison of a fix with its
// original.
//
// A table's definition comes apart into its columns, their NOT NULLs, defaults and constraints, so
// that one thing said in two ways (inside of CREATE TABLE, or by ALTER TABLE after it) is one
// effect. What has an expression in it keeps that expression's tokens; of what is not known here,
// the whole statement's tokens are the effect. So nothing that a text says is left out.
//
// Plain reading of memory: nothing here calls anything of PostgreSQL that may raise.
#pragma once

#include <string_view>
#include <vector>

#include "worker/core/script/script.hpp"

#include "postgres/server.hpp"

namespace agent_branch {

// text: the statement's own; base: where it begins in the text that was parsed, since a tree's
// locations count from there.
std::vector<Effect> FindEffects(const Node *statement, std::string_view text, size_t base);

}  // namespace agent_branch
