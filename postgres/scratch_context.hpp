// A memory context for trees: what parsing allocates goes with it, also after an error.
#pragma once

#include "postgres/guard.hpp"
#include "postgres/server.hpp"

namespace agent_branch {

class ScratchContext {
 public:
  ScratchContext() : caller_(CurrentMemoryContext) {
    scratch_ = CallPg([this] {
      return AllocSetContextCreate(caller_, "agent_branch statements", ALLOCSET_DEFAULT_SIZES);
    });
    MemoryContextSwitchTo(scratch_);
  }
  ~ScratchContext() {
    MemoryContextSwitchTo(caller_);
    MemoryContextDelete(scratch_);
  }
  ScratchContext(const ScratchContext &) = delete;
  ScratchContext &operator=(const ScratchContext &) = delete;

 private:
  MemoryContext caller_;
  MemoryContext scratch_ = nullptr;
};

}  // namespace agent_branch
