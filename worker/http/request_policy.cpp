#include "worker/http/request_policy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include <algorithm>
#include <array>

namespace agent_branch {

namespace {

constexpr size_t kLongestUrl = 8192;
constexpr size_t kLongestText = 400;

Status BadUrl(std::string detail, std::string hint = {}) {
  return Status::Error("22023", "invalid URL for an HTTP request", std::move(detail),
                       std::move(hint));
}

Status BadRequest(std::string detail) {
  return Status::Error("22023", "invalid HTTP request", std::move(detail));
}

std::string Part(CURLU *url, CURLUPart part, unsigned flags = 0) {
  char *text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  const CurlString owner(text);
  return text;
}

bool IsLoopbackHost(const std::string &host) {
  if (strcasecmp(host.c_str(), "localhost") == 0) return true;
  // Room for either family: the compiler follows the cast into the other one.
  sockaddr_storage address{};
  auto *v4 = reinterpret_cast<sockaddr_in *>(&address);
  address.ss_family = AF_INET;
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1)
    return IsLoopback(reinterpret_cast<const sockaddr *>(&address));
  auto *v6 = reinterpret_cast<sockaddr_in6 *>(&address);
  address.ss_family = AF_INET6;
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1)
    return IsLoopback(reinterpret_cast<const sockaddr *>(&address));
  return false;
}

bool IsTokenCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

bool FramesTheMessage(const std::string &name) {
  constexpr std::array<const char *, 8> kNames = {
      "host", "content-length", "transfer-encoding", "connection", "expect", "upgrade",
      "te",   "accept-encoding"};
  return std::any_of(kNames.begin(), kNames.end(), [&name](const char *reserved) {
    return strcasecmp(name.c_str(), reserved) == 0;
  });
}

Status CheckHeader(const std::string &name, std::string_view value) {
  if (name.empty() || !std::all_of(name.begin(), name.end(), IsTokenCharacter))
    return BadRequest("A header name is not a token: \"" + Printable(name) + "\".");
  if (FramesTheMessage(name))
    return BadRequest("The header \"" + name + "\" belongs to the transport.");
  // Never the value: it may be the API key, with the line end of the file it came from.
  if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
    return BadRequest("The value of the header \"" + name + "\" contains a line end or a zero.");
  return Status();
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable(text.substr(0, kLongestText));
  for (char &c : printable)
    if (c < 0x20 || c > 0x7e) c = '?';
  if (text.size() > kLongestText) printable += "...";
  return printable;
}

bool IsLoopback(const sockaddr *address) {
  if (address->sa_family == AF_INET) {
    const auto *v4 = reinterpret_cast<const sockaddr_in *>(address);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  if (address->sa_family == AF_INET6) {
    const auto *v6 = reinterpret_cast<const sockaddr_in6 *>(address);
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
  }
  return false;
}

Result<CheckedUrl> CheckUrl(const std::string &url) {
  if (url.size() > kLongestUrl)
    return BadUrl("It has " + std::to_string(url.size()) + " bytes; the limit is " +
                  std::to_string(kLongestUrl) + ".");
  if (url.find('\0') != std::string::npos) return BadUrl("It contains a zero byte.");
  const CurlUrl parsed(curl_url());
  if (!parsed) return BadUrl("There was no memory to read it.");
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
  if (code != CURLUE_OK)
    return BadUrl(std::string(curl_url_strerror(code)) + ".", "Use an absolute https URL.");
  if (!Part(parsed.get(), CURLUPART_USER).empty() ||
      !Part(parsed.get(), CURLUPART_PASSWORD).empty())
    return BadUrl("It contains a user name or a password.",
                  "Credentials belong into the configured key files.");
  CheckedUrl checked;
  const std::string scheme = Part(parsed.get(), CURLUPART_SCHEME);
  checked.url = Part(parsed.get(), CURLUPART_URL);
  checked.host = Part(parsed.get(), CURLUPART_HOST);
  const std::string port = Part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  checked.where = Printable(checked.host + ":" + port + Part(parsed.get(), CURLUPART_PATH));
  if (checked.host.size() > 2 && checked.host.front() == '[')
    checked.host = checked.host.substr(1, checked.host.size() - 2);
  checked.plain = scheme == "http";
  if (checked.url.empty() || checked.host.empty())
    return BadUrl("It names no host.", "Use an absolute https URL.");
  if (!checked.plain && scheme != "https")
    return BadUrl("The scheme is \"" + Printable(scheme) + "\".", "Use an https URL.");
  if (checked.plain && !IsLoopbackHost(checked.host))
    return Status::Error("08001", "unencrypted HTTP to \"" + Printable(checked.host) + "\" refused",
                         "Only loopback addresses may be reached without TLS.",
                         "Use an https URL.");
  return checked;
}

Status CheckRequest(const HttpRequest &request) {
  constexpr std::array<const char *, 5> kMethods = {"GET", "POST", "PUT", "PATCH", "DELETE"};
  if (std::find(kMethods.begin(), kMethods.end(), request.method) == kMethods.end())
    return BadRequest("The method \"" + Printable(request.method) + "\" is not supported.");
  for (const auto &[name, value] : request.headers) {
    Status status = CheckHeader(name, value.Reveal());
    if (!status.ok()) return status;
  }
  return CheckHeader("X-Request-ID", request.request_id);
}

}  // namespace agent_branch
