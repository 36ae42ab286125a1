// What libFuzzer calls. AGENT_BRANCH_FUZZ_TARGET names the target.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/fuzz/targets.hpp"

namespace {

const agent_branch::fuzz::Target *target = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  const char *name = std::getenv("AGENT_BRANCH_FUZZ_TARGET");
  for (const auto &one : agent_branch::fuzz::kTargets) {
    if (name != nullptr && std::string_view(name) == one.name) target = &one;
  }
  if (target != nullptr) return 0;
  fprintf(stderr, "AGENT_BRANCH_FUZZ_TARGET names no target\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  target->run({reinterpret_cast<const char *>(data), size});
  return 0;
}
