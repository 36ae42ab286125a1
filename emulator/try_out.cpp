#include "emulator/try_out.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdexcept>

#include "emulator/identifiers.hpp"

namespace agent_branch::emulator {
namespace {

constexpr char kServerUser[] = "postgres";

[[noreturn]] void Fail(const std::string &what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

void BecomeServerUser() {
  if (geteuid() != 0) return;
  const passwd *user = getpwnam(kServerUser);
  if (user == nullptr)
    throw std::runtime_error("PostgreSQL does not run as root, and there is no user postgres");
  if (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
      setuid(user->pw_uid) != 0)
    Fail("cannot become the user postgres");
  // Where root stood, a server could perhaps not even look.
  if (access(".", X_OK) != 0 && chdir("/") != 0) Fail("cannot change to /");
}

// The name can be guessed, and others may write where it is: a folder that is not ours alone
// is refused.
void MakeOwnFolder(const std::string &path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) Fail("cannot make " + path);
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) Fail("cannot look at " + path);
  if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
    throw std::runtime_error(path + " is not a folder of this user alone");
}

void MakeKeyFile(const std::string &path) {
  int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) {
    if (errno == EEXIST) return;
    Fail("cannot make " + path);
  }
  const std::string line = Identifiers(std::random_device{}()).Password() + "\n";
  const bool written = write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  close(file);
  if (written) return;
  unlink(path.c_str());  // or the next start would take it for a key
  Fail("cannot write " + path);
}

}  // namespace

void PrepareTryOut(Options *options) {
  BecomeServerUser();
  options->postgres = true;
  if (!options->data_directory.empty()) return;
  const std::string folder = std::filesystem::temp_directory_path().string() +
                             "/neon-emulator-try-" + std::to_string(geteuid());
  MakeOwnFolder(folder);
  options->data_directory = folder + "/data";
  if (!options->api_key_file.empty()) return;
  options->api_key_file = folder + "/api-key";
  MakeKeyFile(options->api_key_file);
}

std::string TryOutSettings(const Options &options, const std::string &url) {
  return "shared_preload_libraries = 'agent_branch'\n"
         "agent_branch.api_url = '" +
         url +
         "'\n"
         "agent_branch.api_key_file = '" +
         options.api_key_file + "'\n";
}

}  // namespace agent_branch::emulator
