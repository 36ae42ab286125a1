#include "worker/curl_host_resolver.hpp"

#include <utility>

namespace agent_branch {
namespace {

constexpr std::chrono::seconds kTimeout{30};

}  // namespace

void CurlHostResolver::Resolve(uint64_t id, const std::string &host, int, Answer answer) {
  waiting_[id] = std::move(answer);
  client_->Resolve(id, host, kTimeout);
}

void CurlHostResolver::Forget(uint64_t id) {
  waiting_.erase(id);
  client_->CancelResolve(id);
}

void CurlHostResolver::Deliver() {
  for (Resolution &resolution : client_->TakeResolutions()) {
    auto found = waiting_.find(resolution.id);
    if (found == waiting_.end()) continue;
    Answer answer = std::move(found->second);
    waiting_.erase(found);
    if (resolution.addresses.empty()) {
      answer(resolution.error);
    } else {
      answer(std::move(resolution.addresses));
    }
  }
}

}  // namespace agent_branch
