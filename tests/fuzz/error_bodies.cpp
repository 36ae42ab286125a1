// What comes when something goes wrong: bodies, headers and texts of any kind.
#include <cstdlib>

#include "tests/fuzz/require.hpp"
#include "tests/fuzz/targets.hpp"
#include "worker/core/base/text.hpp"
#include "worker/core/neon/response_class.hpp"
#include "worker/http/failure.hpp"
#include "worker/http/request_policy.hpp"
#include "worker/http/retry_after.hpp"

namespace agent_branch::fuzz {
namespace {

constexpr std::time_t kNow = 1'780'272'000;

void JudgeRefusal(int status, std::optional<std::chrono::seconds> retry_after,
                  std::string_view body) {
  constexpr size_t kMaxError = 500;
  NeonError error = ParseNeonError(body);
  RequireClean(error.code, kMaxError, false, "an error's code");
  RequireClean(error.message, kMaxError, false, "an error's message");
  HttpResponse response;
  response.outcome = HttpOutcome::kAnswered;
  response.status = status;
  response.body = std::string(body);
  response.retry_after = retry_after;
  ResponseClass classified = Judge(RestoreRequest("p", "a", "b", "c"), response);
  if (classified.kind == ResponseKind::kDone) return;
  RequireTelling(classified.why, "a refusal");
  bool success = status >= 200 && status < 300;
  Require(success || classified.retry_after == retry_after, "Retry-After is lost");
  bool known = status == 423 || status == 429 || status == 503 || (status >= 400 && status < 500);
  Require(known || classified.kind == ResponseKind::kUnknown, "an outcome is known that is not");
}

void DescribeLost(int code, std::string_view text) {
  FailureFacts facts;
  facts.code = static_cast<CURLcode>(code % CURL_LAST);
  facts.curl_text = std::string(text.substr(0, CURL_ERROR_SIZE - 1));
  facts.host = Printable(text);
  facts.where = Printable(text);
  for (bool sent : {false, true}) {
    facts.sent = sent;
    HttpResponse failure = DescribeFailure(facts);
    RequireTelling(failure.error, "a failure");
    Require((failure.outcome == HttpOutcome::kUnknown) == sent, "a failure's outcome is wrong");
  }
}

void CheckAnyUrl(std::string_view text) {
  Result<CheckedUrl> url = CheckUrl(std::string(text));
  if (!url.ok()) {
    RequireTelling(url.status(), "a refused URL");
    return;
  }
  RequireClean(url->where, 1'000, false, "a URL's host and path");
  Require(!url->host.empty(), "a URL has no host");
  bool secure = url->url.rfind("https://", 0) == 0;
  Require(url->plain ? url->url.rfind("http://", 0) == 0 : secure, "a URL has another scheme");
}

}  // namespace

void ErrorBodies(std::string_view input) {
  std::string_view rest = input;
  int status = std::atoi(std::string(TakePart(&rest, "\n").substr(0, 8)).c_str());
  std::string_view header = TakePart(&rest, "\n");
  std::optional<std::chrono::seconds> wait = ParseRetryAfter(header, kNow);
  Require(!wait || (wait->count() >= 0 && *wait <= kMaxRetryAfter), "Retry-After is unbounded");
  JudgeRefusal(status, wait, rest);
  DescribeLost(std::abs(status), rest);
  CheckAnyUrl(header);
}

void Texts(std::string_view input) {
  if (input.empty()) return;
  size_t limit = static_cast<unsigned char>(input[0]);
  std::string_view text = input.substr(1);
  std::string one_line = CleanText(text, limit);
  std::string lines = CleanLines(text, limit);
  RequireClean(one_line, limit, false, "a cleaned line");
  RequireClean(lines, limit, true, "a cleaned text");
  Require(CleanText(one_line, limit) == one_line, "cleaning a clean line changes it");
  Require(CleanLines(lines, limit) == lines, "cleaning a clean text changes it");
  // Cut at a character: not one byte sooner than the next character makes necessary.
  constexpr size_t kLongestCharacter = 4;
  Require(one_line.size() + kLongestCharacter > limit || text.size() <= limit ||
              CleanText(text, text.size()).size() <= limit,
          "a text is cut too early");
  RequireClean(Printable(text), 403, false, "a printable text");
}

}  // namespace agent_branch::fuzz
