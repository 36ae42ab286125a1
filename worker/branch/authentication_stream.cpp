#include "worker/branch/authentication_stream.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch {
namespace {

// Of the protocol's AuthenticationRequest.
enum : uint32_t {
  kOk = 0,
  kCleartext = 3,
  kMd5 = 5,
  kGss = 7,
  kGssContinue = 8,
  kSspi = 9,
  kSasl = 10,
  kSaslContinue = 11,
  kSaslFinal = 12
};

constexpr size_t kHeader = 5;  // type and length
constexpr size_t kLongestMessage = 8192;

uint32_t Number(std::string_view bytes) {
  uint32_t number = 0;
  for (char byte : bytes.substr(0, 4))
    number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

// "r=…,s=…,i=N": neither of the first two can hold a comma.
std::string JudgeChallenge(std::string_view challenge) {
  constexpr std::string_view kAttribute = ",i=";
  const size_t at = challenge.find(kAttribute);
  if (at == std::string_view::npos) return {};  // libpq calls it malformed
  std::string_view count = challenge.substr(at + kAttribute.size());
  count = count.substr(0, count.find(','));
  const bool digits = !count.empty() && std::all_of(count.begin(), count.end(),
                                                    [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return "the server's SCRAM iteration count is not a number";
  count.remove_prefix(std::min(count.find_first_not_of('0'), count.size()));
  if (count.size() <= 6 && std::stoi("0" + std::string(count)) <= kMostScramIterations) return {};
  return "the server asks for more than " + std::to_string(kMostScramIterations) +
         " SCRAM iterations";
}

}  // namespace

std::string AuthenticationStream::Feed(std::string_view bytes) {
  if (ended_) return {};
  rest_.append(bytes);
  while (!ended_ && rest_.size() >= kHeader) {
    // Before its length is believed: an error of a server that cannot fork has none.
    if (rest_[0] == 'E') ended_ = true;
    const size_t length = Number(std::string_view(rest_).substr(1));
    if (ended_) break;
    if (length < 4 || length > kLongestMessage) return "the server sent a malformed message";
    if (rest_.size() < 1 + length) break;
    std::string why = Judge(rest_[0], std::string_view(rest_).substr(kHeader, length - 4));
    if (!why.empty()) return why;
    rest_.erase(0, 1 + length);
  }
  return {};
}

std::string AuthenticationStream::Judge(char type, std::string_view body) {
  if (type == 'v') return {};  // NegotiateProtocolVersion
  if (type != 'R' || body.size() < 4) return "the server sent a malformed message";
  return JudgeRequest(Number(body), body.substr(4));
}

// Each step of SCRAM answers the one before, so nothing that libpq would compute can come in the
// same bytes as what must have come earlier; but only if the order is kept.
std::string AuthenticationStream::JudgeRequest(uint32_t code, std::string_view data) {
  switch (code) {
    case kOk:
      ended_ = true;
      return {};
    case kSasl:
      if (std::exchange(sasl_, true)) break;
      return {};
    case kSaslContinue:
      if (!sasl_ || std::exchange(challenged_, true)) break;
      return JudgeChallenge(data);
    case kSaslFinal:
      if (!challenged_) break;
      return {};
    case kCleartext:
    case kMd5:
      if (sasl_) break;
      return {};
    case kGss:
    case kGssContinue:
    case kSspi:
      return "the server asks for Kerberos, which is not used";
    default:
      return {};  // libpq does not know it either, or refuses it
  }
  return "the server's requests for authentication contradict each other";
}

}  // namespace agent_branch
