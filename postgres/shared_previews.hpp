// What backends ask the worker for without a transaction of theirs that commits: previews of
// merges. A question stands in shared memory; the answer comes as a row (agent_branch.preview).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "postgres/server.hpp"

namespace agent_branch {

struct PreviewQuestion {
  int64_t ticket;  // a random number; 0: the place is free
  Oid database;
  int64_t session_id;
  // How the merge would be asked for.
  char strategy[16];
  char on_drift[16];
  char on_unrecorded[16];
};

// For the hooks of shared_state.cpp: where the questions are and what guards them.
size_t SharedPreviewsSize();
void AttachSharedPreviews(void *memory, LWLock *lock, bool initialize);

// False: too many are waiting to be taken. Wakes nobody.
bool AskPreview(const PreviewQuestion &question);
// Takes a question back, if it was not taken. Does not raise.
void ForgetPreview(int64_t ticket) noexcept;
// Those of this database: they are the caller's from then on.
std::vector<PreviewQuestion> TakePreviews(Oid database);

}  // namespace agent_branch
