#include "postgres/shared_previews.hpp"

#include <cstring>

namespace agent_branch {
namespace {

constexpr size_t kMostQuestions = 64;

struct Previews {
  PreviewQuestion questions[kMostQuestions];
};

Previews *previews = nullptr;
LWLock *lock = nullptr;

}  // namespace

size_t SharedPreviewsSize() {
  return MAXALIGN(sizeof(Previews));
}

void AttachSharedPreviews(void *memory, LWLock *guard, bool initialize) {
  previews = static_cast<Previews *>(memory);
  lock = guard;
  if (initialize) memset(memory, 0, sizeof(Previews));
}

bool AskPreview(const PreviewQuestion &question) {
  bool asked = false;
  LWLockAcquire(lock, LW_EXCLUSIVE);
  for (PreviewQuestion &place : previews->questions) {
    if (asked || (place.ticket != 0 && place.ticket != question.ticket)) continue;
    place = question;
    asked = true;
  }
  LWLockRelease(lock);
  return asked;
}

void ForgetPreview(int64_t ticket) noexcept {
  LWLockAcquire(lock, LW_EXCLUSIVE);
  for (PreviewQuestion &place : previews->questions)
    if (place.ticket == ticket) place = PreviewQuestion{};
  LWLockRelease(lock);
}

std::vector<PreviewQuestion> TakePreviews(Oid database) {
  std::vector<PreviewQuestion> taken(kMostQuestions);
  size_t used = 0;
  LWLockAcquire(lock, LW_EXCLUSIVE);
  for (PreviewQuestion &place : previews->questions) {
    if (place.ticket == 0 || place.database != database) continue;
    taken[used++] = place;
    place = PreviewQuestion{};
  }
  LWLockRelease(lock);
  taken.resize(used);
  return taken;
}

}  // namespace agent_branch
