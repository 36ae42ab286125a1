#include "postgres/key_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace agent_branch {
namespace {

constexpr off_t kMaxSize = 4096;

Status Unusable(const std::string &path, const std::string &why) {
  return Status::Error("F0000", "key file \"" + path + "\" cannot be used", why,
                       "Mend the file; it is read again by itself.");
}

// The file's content, once `file` (an open descriptor) is found to be fit.
Result<std::string> ReadKey(const std::string &path, int file, const struct stat &status) {
  if (!S_ISREG(status.st_mode)) return Unusable(path, "It is not a regular file.");
  mode_t forbidden = status.st_uid == 0 ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((status.st_mode & forbidden) != 0) {
    return Unusable(path, "Group or others may access it; its mode should be 0600.");
  }
  if (status.st_size > kMaxSize) return Unusable(path, "It is larger than 4 kB.");
  std::array<char, kMaxSize> bytes;
  ssize_t length = read(file, bytes.data(), bytes.size());
  if (length < 0) return Unusable(path, std::string(strerror(errno)) + ".");
  std::string key(bytes.data(), static_cast<size_t>(length));
  while (!key.empty() && strchr(" \t\r\n", key.back()) != nullptr)
    key.pop_back();
  if (key.empty()) return Unusable(path, "It is empty.");
  for (unsigned char byte : key) {
    if (byte <= ' ' || byte >= 0x7F) return Unusable(path, "It holds something else than a key.");
  }
  return key;
}

std::string VersionOf(const struct stat &status) {
  return std::to_string(status.st_dev) + "." + std::to_string(status.st_ino) + "." +
         std::to_string(status.st_size) + "." + std::to_string(status.st_mode) + "." +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
}

}  // namespace

std::string KeyFileVersion(const std::string &path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? VersionOf(status) : std::string();
}

Result<KeyFile> ReadKeyFile(const std::string &path) {
  // Not blocking: the path may be that of a pipe.
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return Unusable(path, std::string(strerror(errno)) + ".");
  struct stat status {};
  Result<std::string> key = fstat(descriptor, &status) == 0
                                ? ReadKey(path, descriptor, status)
                                : Result<std::string>(Unusable(path, "Its status is unknown."));
  close(descriptor);
  if (!key.ok()) return key.status();
  return KeyFile{Secret(std::move(key.value())), VersionOf(status)};
}

}  // namespace agent_branch
