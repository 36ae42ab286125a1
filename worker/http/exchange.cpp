#include "worker/http/exchange.hpp"

#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <ctime>

#include "worker/http/retry_after.hpp"

namespace agent_branch {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestLimit = std::chrono::hours(24);

// For libcurl 0 means "none", or its own default; and a long may be 32 bits.
long LimitFor(milliseconds limit) {
  return static_cast<long>(std::clamp(limit, milliseconds(1), kLongestLimit).count());
}

bool HasName(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         strncasecmp(line.data(), name.data(), name.size()) == 0;
}

constexpr std::string_view kNeonRequestId = "x-neon-ret-request-id";
constexpr std::string_view kRequestId = "x-request-id";

// It ends up in logs and rows.
std::string ReadRequestId(std::string_view value) {
  constexpr size_t kLongest = 100;
  std::string id;
  for (char c : value) {
    if (c > 0x20 && c < 0x7f && id.size() < kLongest) id.push_back(c);
  }
  return id;
}

Status NoMemory() {
  return Status::Error("53200", "out of memory for an HTTP request");
}

}  // namespace

Result<std::unique_ptr<Exchange>> Exchange::Create(uint64_t id, HttpRequest request,
                                                   const ExchangeOptions &options, TimePoint now) {
  Status status = CheckRequest(request);
  if (!status.ok()) return status;
  Result<CheckedUrl> url = CheckUrl(request.url);
  if (!url.ok()) return url.status();
  std::unique_ptr<Exchange> exchange(
      new Exchange(id, std::move(request), std::move(url.value()), options, now));
  if (!exchange->easy_ || !exchange->BuildHeaders()) return NoMemory();
  const CURLcode code = exchange->SetUp(options);
  if (code != CURLE_OK)
    return Status::Error(
        "08001", "could not prepare an HTTP request",
        std::string("libcurl refused an option: ") + curl_easy_strerror(code) + ".",
        "Install libcurl 7.87 or later, built with TLS and HTTP/2.");
  return exchange;
}

Exchange::Exchange(uint64_t id, HttpRequest request, CheckedUrl url, const ExchangeOptions &options,
                   TimePoint now)
    : id_(id),
      request_(std::move(request)),
      url_(std::move(url)),
      max_header_bytes_(options.max_header_bytes),
      options_(options),
      deadline_(now + std::clamp(request_.timeout, milliseconds(0), kLongestLimit)),
      easy_(curl_easy_init()) {}

bool Exchange::BuildHeaders() {
  bool has_type = false;
  for (const auto &[name, value] : request_.headers) {
    has_type = has_type || strcasecmp(name.c_str(), "content-type") == 0;
    // "Name:" would remove the header instead of sending it empty (CURLOPT_HTTPHEADER(3)).
    const std::string_view bytes = value.Reveal();
    std::string line;
    line.reserve(name.size() + 2 + bytes.size());
    line.append(name).append(bytes.empty() ? ";" : ": ").append(bytes);
    if (!headers_.Append(Secret(std::move(line)))) return false;
  }
  if (!request_.request_id.empty() &&
      !headers_.Append(Secret("X-Request-ID: " + request_.request_id)))
    return false;
  // libcurl would call any body a form.
  if (!has_type && !headers_.Append(Secret("Content-Type:"))) return false;
  // With "Expect: 100-continue", which libcurl adds to large bodies, it would wait a second for
  // servers that do not know it, and repeat the request by itself after a 417 (lib/http.c).
  return headers_.Append(Secret("Expect:"));
}

CURLcode Exchange::SetUp(const ExchangeOptions &options) {
  SetOptions set(easy_.get());
  set(CURLOPT_URL, url_.url.c_str());
  set(CURLOPT_HTTPHEADER, headers_.get());
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  set(CURLOPT_ERRORBUFFER, curl_text_.data());
  SetUpMethod(set);
  SetUpSafety(set, options);
  SetUpCallbacks(set);
  return set.result();
}

void Exchange::SetUpMethod(SetOptions &set) {
  // A POST, PUT or PATCH without a body says so with "Content-Length: 0"; the others say nothing.
  const bool with_body =
      !request_.body.empty() || (request_.method != "GET" && request_.method != "DELETE");
  if (with_body) {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(CURLOPT_POSTFIELDS, request_.body.data());
  }
  if (request_.method != (with_body ? "POST" : "GET"))
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

void Exchange::SetUpSafety(SetOptions &set, const ExchangeOptions &options) {
  set(CURLOPT_NOSIGNAL, 1L);
  // A name look-up that is given up must not be waited for: without it one hanging look-up blocked
  // the loop for 5.7 s, with it nothing (measured with 7.88; see CURLOPT_QUICK_EXIT(3)).
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_PROTOCOLS_STR, url_.plain ? "http" : "https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  // Never the environment's, which would see the requests. Nor one to the loopback.
  set(CURLOPT_PROXY, url_.plain ? "" : options.proxy.c_str());
  set(CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) set(CURLOPT_CAINFO, options.ca_file.c_str());
  set(CURLOPT_HTTP_VERSION,
      static_cast<long>(url_.plain ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
  // Exchanges that start together wait for the first one's handshake instead of making one each:
  // if it brings HTTP/2 they share the connection, and there is one name look-up.
  set(CURLOPT_PIPEWAIT, url_.plain ? 0L : 1L);
  // Rather a new connection than one whose server is about to close it: what is lost on a reused
  // connection has an unknown outcome.
  set(CURLOPT_MAXAGE_CONN, static_cast<long>(options.max_idle.count()));
  // And one that is never idle still has an end: addresses of a service change.
  set(CURLOPT_MAXLIFETIME_CONN, static_cast<long>(options.max_lifetime.count()));
  // libcurl's default keeps a bundle for a day, though it may have been renewed.
  set(CURLOPT_CA_CACHE_TIMEOUT, 600L);
  // All that this libcurl can undo; TakeBody() counts what comes out.
  set(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  // Compressed size, before the body is read; TakeBody() has the last word.
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request_.max_response_bytes));
}

void Exchange::SetUpCallbacks(SetOptions &set) {
  set(CURLOPT_PREREQFUNCTION, &Exchange::OnRequest);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Exchange::OnHeader);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Exchange::OnBody);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_RESOLVER_START_FUNCTION, &Exchange::OnLookUp);
  set(CURLOPT_RESOLVER_START_DATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &Exchange::OnOpenSocket);
  set(CURLOPT_OPENSOCKETDATA, this);
  // May be called after the exchange is gone, so it is given the table.
  set(CURLOPT_CLOSESOCKETFUNCTION, &SocketTable::OnClose);
  set(CURLOPT_CLOSESOCKETDATA, options_.sockets);
}

CURLcode Exchange::SetTimeLimits(TimePoint now) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - now);
  SetOptions set(easy_.get());
  set(CURLOPT_TIMEOUT_MS, LimitFor(left));
  set(CURLOPT_CONNECTTIMEOUT_MS, LimitFor(request_.connect_timeout));
  return set.result();
}

HttpResponse Exchange::Finish(CURLcode code) {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  // libcurl 7.88 calls it a success when the connection ends in the middle of a header line.
  if (code == CURLE_OK && sent_ && headers_complete_ && status >= 200 && status <= 999) {
    HttpResponse response;
    response.outcome = HttpOutcome::kAnswered;
    response.status = static_cast<int>(status);
    response.body = std::move(body_);
    response.retry_after = retry_after_;
    response.request_id = request_id_;
    return response;
  }
  FailureFacts facts;
  facts.code = code == CURLE_OK ? CURLE_GOT_NOTHING : code;
  facts.sent = sent_;
  facts.repeat_refused = repeat_refused_;
  facts.limit = limit_;
  if (code == CURLE_FILESIZE_EXCEEDED) facts.limit = HttpLimit::kBody;
  // A single line of more than 100 kB never reaches TakeHeader(); 7.88 says "out of memory", later
  // versions CURLE_TOO_LARGE, 100.
  const int raw_code = static_cast<int>(code);
  if ((raw_code == CURLE_OUT_OF_MEMORY || raw_code == 100) && sent_ && !headers_complete_)
    facts.limit = HttpLimit::kHeaders;
  facts.limit_bytes =
      facts.limit == HttpLimit::kHeaders ? max_header_bytes_ : request_.max_response_bytes;
  facts.host = Printable(url_.host);
  facts.where = url_.where;
  facts.curl_text = curl_text_.data();
  HttpResponse response = DescribeFailure(facts);
  response.request_id = request_id_;
  return response;
}

// A stream of HTTP/2 that timed out leaves its connection to the others in libcurl, and a dead one
// is then used again and again (curl's issue 17225).
void Exchange::HangUpIfSilent() {
  if (!sent_) return;
  const auto waited = std::chrono::steady_clock::now() - sent_at_;
  options_.sockets->HangUpIfSilent(socket_,
                                   std::chrono::duration_cast<std::chrono::milliseconds>(waited));
}

// libcurl repeats a request by itself, on a new connection, when a reused one ends before the first
// byte of the answer, when an HTTP/2 stream is refused, and to go back to HTTP/1.1
// (Curl_retry_request() in lib/transfer.c). In the first case the server may well have done what it
// was asked: it has read the request and then died. No option of 7.88 forbids it. But each attempt
// passes here first, so all but a GET are stopped at the second; the first one's outcome stays
// unknown.
int Exchange::BeforeRequest(const SocketName &socket) {
  if (sent_ && request_.method != "GET") {
    repeat_refused_ = true;
    return CURL_PREREQFUNC_ABORT;
  }
  sent_ = true;
  sent_at_ = std::chrono::steady_clock::now();
  socket_ = socket;
  return CURL_PREREQFUNC_OK;
}

size_t Exchange::TakeHeader(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > max_header_bytes_) {
    limit_ = HttpLimit::kHeaders;
    return 0;
  }
  constexpr std::string_view kName = "retry-after";
  if (line.substr(0, 5) == "HTTP/") {  // a final response after an interim one begins anew
    retry_after_.reset();
    request_id_.clear();
    headers_complete_ = false;
  } else if (line == "\r\n" || line == "\n") {
    headers_complete_ = true;
  } else if (HasName(line, kName)) {
    retry_after_ = ParseRetryAfter(line.substr(kName.size() + 1), std::time(nullptr));
  } else if (HasName(line, kNeonRequestId)) {
    request_id_ = ReadRequestId(line.substr(kNeonRequestId.size() + 1));
  } else if (HasName(line, kRequestId) && request_id_.empty()) {
    request_id_ = ReadRequestId(line.substr(kRequestId.size() + 1));
  }
  return line.size();
}

size_t Exchange::TakeBody(std::string_view bytes) {
  if (bytes.size() > request_.max_response_bytes - body_.size()) {
    limit_ = HttpLimit::kBody;
    return 0;
  }
  body_.append(bytes);
  return bytes.size();
}

int Exchange::OnRequest(void *exchange, char *remote, char *local, int remote_port,
                        int local_port) noexcept {
  try {
    return static_cast<Exchange *>(exchange)->BeforeRequest(
        {local, local_port, remote, remote_port});
  } catch (...) {
    return CURL_PREREQFUNC_ABORT;
  }
}

// Any other number than that of the bytes given ends the transfer; an exception may be no memory.
size_t Exchange::OnHeader(char *data, size_t size, size_t count, void *exchange) noexcept {
  try {
    return static_cast<Exchange *>(exchange)->TakeHeader({data, size * count});
  } catch (...) {
    return 0;
  }
}

size_t Exchange::OnBody(char *data, size_t size, size_t count, void *exchange) noexcept {
  try {
    return static_cast<Exchange *>(exchange)->TakeBody({data, size * count});
  } catch (...) {
    return 0;
  }
}

int Exchange::OnLookUp(void *, void *, void *exchange) noexcept {
  static_cast<Exchange *>(exchange)->looking_up_ = true;
  return 0;
}

curl_socket_t Exchange::OnOpenSocket(void *exchange, curlsocktype,
                                     curl_sockaddr *address) noexcept {
  auto *self = static_cast<Exchange *>(exchange);
  self->looking_up_ = false;
  // The name was checked, but a name may resolve to anything.
  if (self->url_.plain && !IsLoopback(&address->addr)) return CURL_SOCKET_BAD;
  return self->options_.sockets->Open(*address);
}

}  // namespace agent_branch
