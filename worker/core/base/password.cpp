#include "worker/core/base/password.hpp"

#include <fstream>
#include <string>
#include <string_view>

namespace agent_branch {
namespace {

constexpr std::string_view kCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr size_t kLength = 32;

}  // namespace

Secret NewPassword() {
  // Bytes above the last multiple would make the first characters more frequent than the others.
  constexpr unsigned kFair = 256 - 256 % kCharacters.size();
  std::string password = "aB3_";
  password.reserve(password.size() + kLength);
  const size_t whole = password.size() + kLength;
  std::ifstream kernel("/dev/urandom", std::ios::binary);
  while (password.size() < whole) {
    unsigned char bytes[64];
    kernel.read(reinterpret_cast<char *>(bytes), sizeof(bytes));
    if (!kernel) return Secret();
    for (size_t n = 0; n < sizeof(bytes) && password.size() < whole; ++n) {
      if (bytes[n] < kFair) password += kCharacters[bytes[n] % kCharacters.size()];
    }
  }
  return Secret(std::move(password));
}

}  // namespace agent_branch
