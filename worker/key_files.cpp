#include "worker/key_files.hpp"

#include "postgres/guard.hpp"
#include "postgres/key_file.hpp"
#include "worker/settings_reader.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

Status Unset() {
  return Status::Error("F0000", "agent_branch.api_key_file is not set",
                       "Without an API key nothing can be asked of Neon.",
                       "Put the key into a file that only the server's user can read, and name it "
                       "with ALTER SYSTEM SET agent_branch.api_key_file.");
}

}  // namespace

Result<Secret> KeyFiles::Key(const std::string &file) {
  std::string path = file.empty() ? ApiKeyFile() : ApiKeyDirectory() + "/" + file;
  if (path.empty()) return Unset();
  if (file.empty()) return Told("agent_branch.api_key_file", path, true);
  return Told("the project's api_key_file", path, false);
}

Result<Secret> KeyFiles::FixerKey() {
  std::string path = FixerKeyFile();
  return path.empty() ? KeyRing::FixerKey() : Told("agent_branch.fixer_key_file", path, true);
}

Result<Secret> KeyFiles::Told(const std::string &whose, const std::string &path, bool tell_reason) {
  Result<Secret> read = Read(path);
  if (read.ok()) {
    logged_.erase(path);
    return read;
  }
  const Status &why = read.status();
  std::string &logged = logged_[path];
  if (logged != why.detail()) {
    logged = why.detail();
    LogMessage(LOG, "agent_branch: " + why.message() + ": " + why.detail());
  }
  return Status::Error(why.sqlstate(), "the key file of " + whose + " cannot be used",
                       tell_reason ? why.detail() : "The server log says why.", why.hint());
}

Result<Secret> KeyFiles::Read(const std::string &path) {
  auto known = entries_.find(path);
  if (known != entries_.end() && KeyFileVersion(path) == known->second.version)
    return known->second.key;
  entries_.erase(path);
  Result<KeyFile> read = ReadKeyFile(path);
  if (!read.ok()) return read.status();
  return (entries_[path] = std::move(read.value())).key;
}

}  // namespace agent_branch
