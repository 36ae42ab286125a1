#include "emulator/copy_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

namespace agent_branch::emulator {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

std::string Failure(const std::string &what, const std::string &path) {
  return what + " " + path + ": " + std::strerror(errno);
}

// copy_file_range cannot cross some file systems; plain reads and writes always work.
std::string CopyBytes(int from, int to, const std::string &path) {
  if (ioctl(to, FICLONE, from) == 0) return "";
  while (true) {
    ssize_t count = copy_file_range(from, nullptr, to, nullptr, 1 << 30, 0);
    if (count == 0) break;
    if (count < 0) break;
  }
  // Whatever is left, and everything when the call is not supported here.
  char buffer[65536];
  while (true) {
    ssize_t count = read(from, buffer, sizeof buffer);
    if (count == 0) return "";
    if (count < 0) return Failure("cannot read", path);
    for (ssize_t done = 0; done < count;) {
      ssize_t written = write(to, buffer + done, count - done);
      if (written < 0) return Failure("cannot write the copy of", path);
      done += written;
    }
  }
}

}  // namespace

std::string CopyFile(const std::string &from, const std::string &to) {
  Descriptor source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (source.get() < 0) return errno == ENOENT ? "" : Failure("cannot open", from);
  Descriptor target(open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (target.get() < 0) return Failure("cannot create", to);
  return CopyBytes(source.get(), target.get(), from);
}

std::string CopyTree(const std::string &from, const std::string &to,
                     const std::function<bool(const std::string &path)> &wanted) {
  std::function<std::string(const std::string &)> copy = [&](const std::string &below) {
    std::string source = from + below, target = to + below;
    if (mkdir(target.c_str(), 0700) != 0) return Failure("cannot create", target);
    DIR *directory = opendir(source.c_str());
    if (directory == nullptr) {
      return errno == ENOENT ? std::string() : Failure("cannot open", source);
    }
    std::string error;
    while (dirent *entry = readdir(directory)) {
      std::string name = entry->d_name;
      if (name == "." || name == ".." || !wanted((below + "/" + name).substr(1))) continue;
      struct stat status;
      std::string path = source + "/" + name;
      if (lstat(path.c_str(), &status) != 0) continue;
      if (S_ISDIR(status.st_mode)) error = copy(below + "/" + name);
      if (S_ISREG(status.st_mode)) error = CopyFile(path, target + "/" + name);
      if (!error.empty()) break;
    }
    closedir(directory);
    return error;
  };
  return copy("");
}

void RemoveTree(const std::string &path) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (!std::filesystem::exists(path, error)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace agent_branch::emulator
