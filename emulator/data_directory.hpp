// The folder named by --data: who uses it, what is left in it, and what must be gone at the end.
//
// It may exist before and hold other things; the emulator touches only `neon-emulator.lock` and
// `clusters`, and a folder for sockets, which is under /tmp when the path is too long for one.
#pragma once

#include <string>

namespace agent_branch::emulator {

class DataDirectory {
 public:
  // Takes the folder, ending and removing what an emulator that was killed left in it. Throws
  // std::runtime_error when another emulator uses it.
  explicit DataDirectory(const std::string &path);
  ~DataDirectory();
  DataDirectory(const DataDirectory &) = delete;
  DataDirectory &operator=(const DataDirectory &) = delete;

  const std::string &clusters() const { return clusters_; }
  const std::string &sockets() const { return sockets_; }
  void RemoveEverything();

 private:
  void Take();
  void RemoveLeftovers(const std::string &old_sockets);
  void MakeSockets();

  std::string path_;
  std::string clusters_;
  std::string sockets_;
  std::string lock_path_;
  int lock_ = -1;
  bool created_ = false;
};

}  // namespace agent_branch::emulator
