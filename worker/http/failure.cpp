#include "worker/http/failure.hpp"

#include "worker/http/request_policy.hpp"

namespace agent_branch {

namespace {

std::string Detail(const FailureFacts &facts) {
  std::string text =
      Printable(facts.curl_text.empty() ? std::string_view(curl_easy_strerror(facts.code))
                                        : std::string_view(facts.curl_text));
  while (!text.empty() && (text.back() == '.' || text.back() == ' ' || text.back() == '?'))
    text.pop_back();
  return facts.where + ": " + text + ".";
}

Status CannotConnect(const FailureFacts &facts, const std::string &why, std::string hint) {
  return Status::Error("08001", "could not connect to \"" + facts.host + "\": " + why,
                       Detail(facts), std::move(hint));
}

Status DescribeUnsent(const FailureFacts &facts) {
  switch (facts.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return CannotConnect(facts, "its name does not resolve",
                           "Check the host name in the URL and this machine's name service.");
    case CURLE_COULDNT_CONNECT:
      return CannotConnect(facts, "the connection was refused or the host is unreachable",
                           "Check the address in the URL, that the server runs, and the firewall.");
    case CURLE_OPERATION_TIMEDOUT:
      return CannotConnect(facts, "the time limit passed",
                           "Check the name service, the network and the firewall between this "
                           "machine and the server.");
    case CURLE_PEER_FAILED_VERIFICATION:
      return CannotConnect(facts, "its certificate does not verify",
                           "The certificate must be valid for this host name and be issued by an "
                           "authority that this machine trusts: check the URL, this machine's "
                           "clock and its CA certificates.");
    case CURLE_SSL_CACERT_BADFILE:
      return CannotConnect(facts, "the trusted CA certificates cannot be read",
                           "Install this machine's CA certificates (package ca-certificates).");
    case CURLE_SSL_CONNECT_ERROR:
      return CannotConnect(facts, "the TLS handshake failed",
                           "Check that the port in the URL speaks TLS, version 1.2 or later.");
    default:
      return CannotConnect(facts, "the request could not be sent", {});
  }
}

Status DescribeLimit(const FailureFacts &facts) {
  const bool headers = facts.limit == HttpLimit::kHeaders;
  return Status::Error("54000",
                       std::string("the ") + (headers ? "headers" : "body") +
                           " of the response from \"" + facts.host + "\" exceed the limit of " +
                           std::to_string(facts.limit_bytes) + " bytes",
                       facts.where + ": the rest of the response was not read.",
                       "Check that the URL belongs to the service that is meant.");
}

Status Lost(const FailureFacts &facts, const std::string &what, std::string hint) {
  return Status::Error("08006", what + " \"" + facts.host + "\"", Detail(facts), std::move(hint));
}

Status DescribeSent(const FailureFacts &facts) {
  const char *unknown =
      "The request may have taken effect: its outcome must be looked up before it is repeated.";
  if (facts.repeat_refused)
    return Lost(facts, "connection closed before an answer came from", unknown);
  switch (facts.code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Lost(facts, "the time limit passed before a whole answer came from", unknown);
    case CURLE_GOT_NOTHING:
      return Lost(facts, "connection closed before an answer came from", unknown);
    case CURLE_UNSUPPORTED_PROTOCOL:  // HTTP/0.9: what came is no HTTP response
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return Status::Error("08P01", "malformed response from \"" + facts.host + "\"", Detail(facts),
                           "Check that the URL belongs to the service that is meant.");
    default:
      return Lost(facts, "connection lost while waiting for the answer of", unknown);
  }
}

}  // namespace

HttpResponse DescribeFailure(const FailureFacts &facts) {
  HttpResponse response;
  response.outcome = facts.sent ? HttpOutcome::kUnknown : HttpOutcome::kNotSent;
  if (facts.code == CURLE_OUT_OF_MEMORY && facts.limit == HttpLimit::kNone)
    response.error = Status::Error("53200", "out of memory in an HTTP exchange", Detail(facts));
  else if (!facts.sent)
    response.error = DescribeUnsent(facts);
  else if (facts.limit != HttpLimit::kNone)
    response.error = DescribeLimit(facts);
  else
    response.error = DescribeSent(facts);
  return response;
}

HttpResponse NotSent(Status error) {
  HttpResponse response;
  response.outcome = HttpOutcome::kNotSent;
  response.error = std::move(error);
  return response;
}

}  // namespace agent_branch
