// What a server asks for while a client logs in, read before libpq acts on it.
//
// libpq computes as many SCRAM rounds as the server names, without a bound: sixty million are a
// minute, and any role may name them in the verifier that it sets as its password. So the messages
// are looked at here first, and a number above kMostScramIterations is refused before the work is
// done. Kerberos is refused too: libpq would talk to other hosts, and wait for them.
//
// Pure: bytes in, verdict out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace agent_branch {

// PostgreSQL's own default is 4096; a tenth of a second's work.
inline constexpr int kMostScramIterations = 100'000;

class AuthenticationStream {
 public:
  // The server's bytes in their order, cut anywhere. Empty: libpq may have them; else why not.
  std::string Feed(std::string_view bytes);
  // No message has begun that has not ended.
  bool at_boundary() const { return ended_ || rest_.empty(); }
  // The server has said yes or no; what follows is no authentication any more.
  bool ended() const { return ended_; }

 private:
  std::string Judge(char type, std::string_view body);
  std::string JudgeRequest(uint32_t code, std::string_view data);

  std::string rest_;  // of a message that is not complete
  bool sasl_ = false;
  bool challenged_ = false;
  bool ended_ = false;
};

}  // namespace agent_branch
