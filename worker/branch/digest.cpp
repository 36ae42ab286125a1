#include "worker/branch/digest.hpp"

#include <openssl/evp.h>

namespace agent_branch {

std::string Md5(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_md5(), nullptr) != 1) return {};
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hexadecimal;
  for (unsigned int n = 0; n < size; ++n)
    hexadecimal.append({kDigits[digest[n] >> 4], kDigits[digest[n] & 15]});
  return hexadecimal;
}

}  // namespace agent_branch
