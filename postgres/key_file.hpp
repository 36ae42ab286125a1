// A file that holds a key: a regular file, of at most 4 kB, that group and others can neither read
// nor write (a file of root's may be readable by its group, as with ssl_key_file).
#pragma once

#include <string>

#include "worker/core/base/secret.hpp"
#include "worker/core/base/status.hpp"

namespace agent_branch {

struct KeyFile {
  Secret key;
  std::string version;  // what KeyFileVersion() says while the file is the same
};

// The error's detail says why it cannot be used, and its message has the path.
Result<KeyFile> ReadKeyFile(const std::string &path);
// Empty when there is no such file.
std::string KeyFileVersion(const std::string &path);

}  // namespace agent_branch
