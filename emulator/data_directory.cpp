#include "emulator/data_directory.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "emulator/copy_tree.hpp"

namespace agent_branch::emulator {
namespace {

namespace fs = std::filesystem;

constexpr char kSocketPrefix[] = "/tmp/neon-emulator-";
// sun_path has 108 bytes; "/.s.PGSQL.12345" and the end take 16.
constexpr size_t kLongestSocketFolder = 91;

std::runtime_error Failure(const std::string &what) {
  return std::runtime_error(what + ": " + std::strerror(errno));
}

std::string ReadAll(const fs::path &path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A cluster whose emulator was killed ends by itself; this is for one that is slow to.
void EndPostmaster(const fs::path &cluster) {
  pid_t pid = std::atoi(ReadAll(cluster / "postmaster.pid").c_str());
  if (pid <= 1) return;
  fs::path command = fs::path("/proc") / std::to_string(pid) / "cmdline";
  for (int attempt = 0; attempt < 1000; ++attempt) {
    // A pid may have been given to another process since: only ours names this folder.
    if (ReadAll(command).find(cluster.string()) == std::string::npos) return;
    if (attempt == 0) kill(pid, SIGQUIT);
    if (attempt == 500) kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

DataDirectory::DataDirectory(const std::string &path) {
  std::error_code error;
  created_ = fs::create_directories(path, error);
  if (error) throw std::runtime_error("cannot create " + path + ": " + error.message());
  path_ = fs::canonical(path, error).string();
  if (error) throw std::runtime_error("cannot use " + path + ": " + error.message());
  clusters_ = path_ + "/clusters";
  lock_path_ = path_ + "/neon-emulator.lock";
  Take();
  MakeSockets();
  if (mkdir(clusters_.c_str(), 0700) != 0) throw Failure("cannot create " + clusters_);
  // For the emulator that comes after this one was killed.
  std::string note = std::string(created_ ? "created" : "found") + "\n" + sockets_ + "\n";
  if (ftruncate(lock_, 0) != 0 || pwrite(lock_, note.data(), note.size(), 0) < 0) {
    throw Failure("cannot write " + lock_path_);
  }
}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) close(lock_);
}

void DataDirectory::Take() {
  bool known = fs::exists(lock_path_);
  if (!known && fs::exists(clusters_)) {
    throw std::runtime_error(clusters_ +
                             " exists and is not the emulator's: choose another --data");
  }
  lock_ = open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) throw Failure("cannot open " + lock_path_);
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    throw std::runtime_error("another neon-emulator uses " + path_);
  }
  std::istringstream note(ReadAll(lock_path_));
  std::string origin, old_sockets;
  std::getline(note, origin);
  std::getline(note, old_sockets);
  if (origin == "created") created_ = true;
  if (known) RemoveLeftovers(old_sockets);
}

void DataDirectory::RemoveLeftovers(const std::string &old_sockets) {
  std::error_code error;
  for (const auto &entry : fs::directory_iterator(clusters_, error))
    EndPostmaster(entry.path());
  RemoveTree(clusters_);
  RemoveTree(path_ + "/sockets");
  if (old_sockets.compare(0, sizeof(kSocketPrefix) - 1, kSocketPrefix) == 0) {
    RemoveTree(old_sockets);
  }
}

void DataDirectory::MakeSockets() {
  sockets_ = path_ + "/sockets";
  if (sockets_.size() <= kLongestSocketFolder) {
    if (mkdir(sockets_.c_str(), 0700) != 0) throw Failure("cannot create " + sockets_);
    return;
  }
  std::string name = std::string(kSocketPrefix) + "XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw Failure("cannot create a folder in /tmp");
  sockets_ = name;
}

void DataDirectory::RemoveEverything() {
  RemoveTree(clusters_);
  RemoveTree(sockets_);
  unlink(lock_path_.c_str());
  if (created_) rmdir(path_.c_str());
}

}  // namespace agent_branch::emulator
