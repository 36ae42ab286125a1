#include "worker/core/neon/verdict.hpp"

#include "worker/core/base/text.hpp"

namespace agent_branch {
namespace {

bool EndsWith(const std::string &text, const std::string &end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool Contains(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

std::string Subject(const NeonRequest &request) {
  return request.method + " " + request.path;
}

Verdict Make(VerdictKind kind, const char *sqlstate, std::string message, std::string detail,
             std::string hint) {
  Verdict verdict;
  verdict.kind = kind;
  verdict.why = Status::Error(sqlstate, std::move(message), std::move(detail), std::move(hint));
  return verdict;
}

std::string Detail(const NeonRequest &request, int status, const NeonError &error) {
  std::string detail = Subject(request) + " was answered with HTTP " + std::to_string(status);
  if (!error.code.empty()) detail += ", code " + error.code;
  if (!error.message.empty()) detail += ": " + error.message;
  return detail + ".";
}

std::string Said(const NeonError &error) {
  return error.message.empty() ? std::string() : ": " + error.message;
}

Verdict JudgeUnprocessable(const NeonRequest &request, const NeonError &error) {
  std::string detail = Detail(request, 422, error);
  if (EndsWith(error.code, "LIMIT_EXCEEDED")) {
    return Make(VerdictKind::kLimit, "53000",
                "a limit of the Neon project is reached" + Said(error), detail,
                "It is tried again when branches are deleted; or raise the plan's limit.");
  }
  if (Contains(error.message, "not ready yet")) {
    return Make(VerdictKind::kBusy, "55006", "the Neon branch is not ready yet", detail, {});
  }
  return Make(VerdictKind::kRefused, "55000", "the Neon API refused the request" + Said(error),
              detail, {});
}

// Neon's 409 says that a name is taken, in these words. One of another meaning says that what is
// asked for does not go with what the project is just now.
Verdict JudgeConflict(const NeonError &error, std::string detail) {
  if (Contains(error.message, "already exists")) {
    return Make(VerdictKind::kExists, "42710", "it exists already at Neon" + Said(error),
                std::move(detail), {});
  }
  return Make(VerdictKind::kBusy, "55006",
              "the Neon project does not take the request now" + Said(error), std::move(detail),
              "It is tried again by itself; if it stays so, look at the project at Neon.");
}

Verdict JudgeStatus(const NeonRequest &request, int status, const NeonError &error) {
  std::string detail = Detail(request, status, error);
  switch (status) {
    case 401:
      return Make(VerdictKind::kKey, "28000", "the Neon API does not accept the API key", detail,
                  "Put a valid key into the file that agent_branch.api_key_file names; it is read "
                  "again by itself.");
    case 403:
      return Make(VerdictKind::kForbidden, "42501", "the API key has no access to the Neon project",
                  detail,
                  "Use a key of the organization that owns the project, or one scoped to it.");
    case 404:
      return Make(VerdictKind::kNotFound, "42704", "not found at Neon" + Said(error), detail,
                  "Check the project's id and that the API key's scope covers it.");
    case 409:
      return JudgeConflict(error, std::move(detail));
    case 412:
      return Make(VerdictKind::kPlan, "0A000",
                  "the Neon plan does not allow a setting" + Said(error), detail, {});
    case 422:
      return JudgeUnprocessable(request, error);
    case 423:
      return Make(VerdictKind::kBusy, "55006", "the Neon project is busy with another change",
                  detail, {});
    case 429:
      return Make(VerdictKind::kThrottled, "53400", "the Neon account is over its request rate",
                  detail, "Lower agent_branch.rate_limit_per_minute if other clients use the key.");
    case 503:
      return Make(VerdictKind::kUnavailable, "08004", "the Neon API is unavailable", detail, {});
    default:
      break;
  }
  if (status >= 400 && status < 500 && status != 408) {
    return Make(VerdictKind::kRefused, "55000", "the Neon API refused the request" + Said(error),
                detail, {});
  }
  return Make(VerdictKind::kUnknown, "08007", "the Neon API failed to answer properly", detail, {});
}

// What Neon's support asks for.
Status WithRequestId(const Status &why, const std::string &id) {
  if (why.ok() || id.empty()) return why;
  return Status::Error(why.sqlstate(), why.message(),
                       why.detail() + " Neon's id of the request is " + id + ".", why.hint());
}

}  // namespace

Verdict Judge(const NeonRequest &request, const HttpResponse &response) {
  Verdict verdict;
  if (response.outcome == HttpOutcome::kNotSent) {
    verdict.kind = VerdictKind::kUnreachable;
    verdict.why = response.error;
  } else if (response.outcome == HttpOutcome::kUnknown) {
    verdict.kind = VerdictKind::kUnknown;
    verdict.why = response.error;
  } else if (response.status >= 200 && response.status < 300) {
    Status readable = request.is_change() ? ParseChange(response.body).status() : Status();
    // It was done, but what was done has to be looked up.
    verdict.kind = readable.ok() ? VerdictKind::kDone : VerdictKind::kUnknown;
    verdict.why = readable;
    return verdict;
  } else {
    verdict = JudgeStatus(request, response.status, ParseNeonError(response.body));
    verdict.why = WithRequestId(verdict.why, response.request_id);
  }
  if (verdict.why.ok()) {
    verdict.why = Status::Error("08006", "the exchange with the Neon API failed");
  }
  verdict.retry_after = response.retry_after;
  return verdict;
}

}  // namespace agent_branch
