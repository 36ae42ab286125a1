#include "worker/core/neon/branch_list.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace agent_branch {
namespace {

constexpr int kPageSize = 100;

struct Pages {
  ApiCalls *calls;
  BranchListing listing;
  std::string cursor;
  std::vector<NeonBranch> branches;
};

uint64_t AskPage(const std::shared_ptr<Pages> &pages);

// The cursor may be set on the last page too; the list ends without one, with an empty page, or
// when it repeats (Neon's API reference, "Pagination").
bool IsLast(const Pages &pages, const NeonBranchPage &page) {
  if (page.next.empty() || page.branches.empty() || page.next == pages.cursor) return true;
  const std::string &until = pages.listing.until;
  return !until.empty() &&
         std::any_of(page.branches.begin(), page.branches.end(),
                     [&](const NeonBranch &branch) { return branch.name == until; });
}

void OnPage(const std::shared_ptr<Pages> &pages, const ApiAnswer &answer) {
  if (answer.classified.kind != ResponseKind::kDone) {
    pages->listing.then(answer.classified.why);
    return;
  }
  Result<NeonBranchPage> page = ParseBranchPage(answer.body);
  if (!page.ok()) {
    pages->listing.then(page.status());
    return;
  }
  bool last = IsLast(*pages, page.value());
  for (NeonBranch &branch : page.value().branches)
    pages->branches.push_back(std::move(branch));
  if (last) {
    pages->listing.then(std::move(pages->branches));
    return;
  }
  pages->cursor = page->next;
  uint64_t call_id = AskPage(pages);
  if (pages->listing.on_page) pages->listing.on_page(call_id);
}

uint64_t AskPage(const std::shared_ptr<Pages> &pages) {
  ApiCall call = pages->listing.like;
  call.request = ListBranchesRequest(call.project->row.neon_id, pages->listing.search,
                                     pages->cursor, kPageSize);
  call.done = [pages](const ApiAnswer &answer, const StepRow &) { OnPage(pages, answer); };
  return pages->calls->Enqueue(std::move(call));
}

}  // namespace

uint64_t ListBranches(ApiCalls &calls, BranchListing listing) {
  auto pages = std::make_shared<Pages>();
  pages->calls = &calls;
  pages->listing = std::move(listing);
  return AskPage(pages);
}

}  // namespace agent_branch
