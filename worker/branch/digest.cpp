#include "worker/branch/digest.hpp"

#include <openssl/evp.h>

namespace agent_branch {

std::string ShortDigest(std::string_view text) {
  constexpr unsigned int kBytes = 16;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1 ||
      size < kBytes)
    return {};
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hexadecimal;
  for (unsigned int n = 0; n < kBytes; ++n)
    hexadecimal.append({kDigits[digest[n] >> 4], kDigits[digest[n] & 15]});
  return hexadecimal;
}

}  // namespace agent_branch
