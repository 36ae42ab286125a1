#include "worker/core/neon/response_class.hpp"

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

ResponseClass Make(ResponseKind kind, const char *sqlstate, std::string message, std::string detail,
                   std::string hint) {
  ResponseClass classified;
  classified.kind = kind;
  classified.why = Status::Error(sqlstate, std::move(message), std::move(detail), std::move(hint));
  return classified;
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

ResponseClass JudgeUnprocessable(const NeonRequest &request, const NeonError &error) {
  std::string detail = Detail(request, 422, error);
  if (EndsWith(error.code, "LIMIT_EXCEEDED")) {
    return Make(ResponseKind::kLimit, "53000",
                "a limit of the Neon project is reached" + Said(error), detail,
                "It is tried again when branches are deleted; or raise the plan's limit.");
  }
  if (Contains(error.message, "not ready yet")) {
    return Make(ResponseKind::kBusy, "55006", "the Neon branch is not ready yet", detail, {});
  }
  return Make(ResponseKind::kRefused, "55000", "the Neon API refused the request" + Said(error),
              detail, {});
}

// Neon's 409 says that a name is taken, in these words. One of another meaning says that what is
// asked for does not go with what the project is just now.
ResponseClass JudgeConflict(const NeonError &error, std::string detail) {
  if (Contains(error.message, "already exists")) {
    return Make(ResponseKind::kExists, "42710", "it exists already at Neon" + Said(error),
                std::move(detail), {});
  }
  return Make(ResponseKind::kBusy, "55006",
              "the Neon project does not take the request now" + Said(error), std::move(detail),
              "It is tried again by itself; if it stays so, look at the project at Neon.");
}

ResponseClass ClassifyStatus(const NeonRequest &request, int status, const NeonError &error) {
  std::string detail = Detail(request, status, error);
  switch (status) {
    case 401:
      return Make(ResponseKind::kKey, "28000", "the Neon API does not accept the API key", detail,
                  "Put a valid key into the file that agent_branch.api_key_file names; it is read "
                  "again by itself.");
    case 403:
      return Make(ResponseKind::kForbidden, "42501",
                  "the API key has no access to the Neon project", detail,
                  "Use a key of the organization that owns the project, or one scoped to it.");
    case 404:
      return Make(ResponseKind::kNotFound, "42704", "not found at Neon" + Said(error), detail,
                  "Check the project's id and that the API key's scope covers it.");
    case 409:
      return JudgeConflict(error, std::move(detail));
    case 412:
      return Make(ResponseKind::kPlan, "0A000",
                  "the Neon plan does not allow a setting" + Said(error), detail, {});
    case 422:
      return JudgeUnprocessable(request, error);
    case 423:
      return Make(ResponseKind::kBusy, "55006", "the Neon project is busy with another change",
                  detail, {});
    case 429:
      return Make(ResponseKind::kThrottled, "53400", "the Neon account is over its request rate",
                  detail, "Lower agent_branch.rate_limit_per_minute if other clients use the key.");
    case 503:
      return Make(ResponseKind::kUnavailable, "08004", "the Neon API is unavailable", detail, {});
    default:
      break;
  }
  if (status >= 400 && status < 500 && status != 408) {
    return Make(ResponseKind::kRefused, "55000", "the Neon API refused the request" + Said(error),
                detail, {});
  }
  return Make(ResponseKind::kUnknown, "08007", "the Neon API failed to answer properly", detail,
              {});
}

// What Neon's support asks for.
Status WithRequestId(const Status &why, const std::string &id) {
  if (why.ok() || id.empty()) return why;
  return Status::Error(why.sqlstate(), why.message(),
                       why.detail() + " Neon's id of the request is " + id + ".", why.hint());
}

}  // namespace

ResponseClass Judge(const NeonRequest &request, const HttpResponse &response) {
  ResponseClass classified;
  if (response.outcome == HttpOutcome::kNotSent) {
    classified.kind = ResponseKind::kUnreachable;
    classified.why = response.error;
  } else if (response.outcome == HttpOutcome::kUnknown) {
    classified.kind = ResponseKind::kUnknown;
    classified.why = response.error;
  } else if (response.status >= 200 && response.status < 300) {
    Status readable = request.is_change() ? ParseChange(response.body).status() : Status();
    // It was done, but what was done has to be looked up.
    classified.kind = readable.ok() ? ResponseKind::kDone : ResponseKind::kUnknown;
    classified.why = readable;
    return classified;
  } else {
    classified = ClassifyStatus(request, response.status, ParseNeonError(response.body));
    classified.why = WithRequestId(classified.why, response.request_id);
  }
  if (classified.why.ok()) {
    classified.why = Status::Error("08006", "the exchange with the Neon API failed");
  }
  classified.retry_after = response.retry_after;
  return classified;
}

}  // namespace agent_branch
