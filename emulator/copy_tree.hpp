// Copies a directory tree that somebody may be writing to, sharing blocks where the file system
// can.
#pragma once

#include <functional>
#include <string>

namespace agent_branch::emulator {

// Files that vanish meanwhile are left out. `wanted` gets paths relative to `from` (files and
// directories) and says what to copy. Returns an empty text or what went wrong.
std::string CopyTree(const std::string &from, const std::string &to,
                     const std::function<bool(const std::string &path)> &wanted);

std::string CopyFile(const std::string &from, const std::string &to);

// Removes a tree, also one in which dying processes still make files.
void RemoveTree(const std::string &path);

}  // namespace agent_branch::emulator
