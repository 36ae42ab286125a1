// API keys, from files that only superuser settings can name.
//
// A file is read when it is first needed and again when it changed, so that a key can be replaced
// while the server runs.
//
// A file's path is told to the server log alone. Why a file that a project named cannot be used,
// too: otherwise whoever registers projects could find out what files there are.
#pragma once

#include <map>
#include <string>

#include "postgres/key_file.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch {

class KeyFiles : public KeyRing {
 public:
  // file: a name inside agent_branch.api_key_directory; empty: agent_branch.api_key_file.
  Result<Secret> Key(const std::string &file) override;
  // agent_branch.fixer_key_file.
  Result<Secret> FixerKey() override;

 private:
  Result<Secret> Read(const std::string &path);
  Result<Secret> Told(const std::string &whose, const std::string &path, bool tell_reason);

  std::map<std::string, KeyFile> entries_;     // by path
  std::map<std::string, std::string> logged_;  // what was last said of a path
};

}  // namespace agent_branch
