#include "worker/core/branch_list.hpp"

#include <memory>
#include <utility>

namespace agent_branch {
namespace {

constexpr int kPageSize = 100;

struct Listing {
  ApiCalls *calls;
  ApiCall like;
  std::string search;
  std::string cursor;
  std::vector<NeonBranch> branches;
  OnBranches then;
  std::function<void(uint64_t)> on_page;
};

uint64_t AskPage(const std::shared_ptr<Listing> &listing);

void OnPage(const std::shared_ptr<Listing> &listing, const ApiAnswer &answer) {
  if (answer.verdict.kind != VerdictKind::kDone) {
    listing->then(answer.verdict.why);
    return;
  }
  Result<NeonBranchPage> page = ParseBranchPage(answer.body);
  if (!page.ok()) {
    listing->then(page.status());
    return;
  }
  bool empty = page->branches.empty();
  for (NeonBranch &branch : page.value().branches)
    listing->branches.push_back(std::move(branch));
  // The cursor may be set on the last page too; the list ends without one, with an empty page, or
  // when it repeats (reference/api, "List").
  bool last = page->next.empty() || empty || page->next == listing->cursor;
  if (last) {
    listing->then(std::move(listing->branches));
    return;
  }
  listing->cursor = page->next;
  uint64_t call_id = AskPage(listing);
  if (listing->on_page) listing->on_page(call_id);
}

uint64_t AskPage(const std::shared_ptr<Listing> &listing) {
  ApiCall call = listing->like;
  call.request =
      ListBranchesRequest(call.project->row.neon_id, listing->search, listing->cursor, kPageSize);
  call.done = [listing](const ApiAnswer &answer, const StepRow &) { OnPage(listing, answer); };
  return listing->calls->Enqueue(std::move(call));
}

}  // namespace

uint64_t ListBranches(ApiCalls &calls, const ApiCall &like, const std::string &search,
                      OnBranches then, std::function<void(uint64_t)> on_page) {
  auto listing = std::make_shared<Listing>();
  listing->calls = &calls;
  listing->like = like;
  listing->search = search;
  listing->then = std::move(then);
  listing->on_page = std::move(on_page);
  return AskPage(listing);
}

}  // namespace agent_branch
