// Owners for what libcurl allocates, so that no path can forget to free it.
//
// Every C pointer of libcurl that http/ keeps lives in one of these; a raw CURL * elsewhere only
// borrows. Options are set through SetOptions, which remembers the first one that failed.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "worker/core/base/secret.hpp"

// CURLOPT_QUICK_EXIT and CURLOPT_CA_CACHE_TIMEOUT came with 7.87; without the first, a hanging name
// look-up blocks curl_multi_socket_action() beyond every time limit.
#if LIBCURL_VERSION_NUM < 0x075700
#error "libcurl 7.87 or later is required"
#endif

namespace agent_branch {

struct CurlEasyDeleter {
  void operator()(CURL *easy) const noexcept { curl_easy_cleanup(easy); }
};
struct CurlMultiDeleter {
  void operator()(CURLM *multi) const noexcept { curl_multi_cleanup(multi); }
};
struct CurlUrlDeleter {
  void operator()(CURLU *url) const noexcept { curl_url_cleanup(url); }
};
struct CurlStringDeleter {
  void operator()(char *text) const noexcept { curl_free(text); }
};

using CurlEasy = std::unique_ptr<CURL, CurlEasyDeleter>;
using CurlMulti = std::unique_ptr<CURLM, CurlMultiDeleter>;
using CurlUrl = std::unique_ptr<CURLU, CurlUrlDeleter>;
using CurlString = std::unique_ptr<char, CurlStringDeleter>;

// Request header lines. They hold secrets, so their bytes are overwritten before they are freed;
// copies that libcurl made for itself are out of reach.
class CurlHeaders {
 public:
  CurlHeaders() = default;
  CurlHeaders(const CurlHeaders &) = delete;
  CurlHeaders &operator=(const CurlHeaders &) = delete;
  ~CurlHeaders() {
    for (curl_slist *node = list_; node != nullptr; node = node->next)
      for (volatile char *byte = node->data; *byte != 0; ++byte)
        *byte = 0;
    curl_slist_free_all(list_);
  }

  // False when there is no memory; the list is then as it was.
  bool Append(const Secret &line) {
    const std::string_view bytes = line.Reveal();
    curl_slist *longer = curl_slist_append(list_, bytes.data());
    if (longer == nullptr) return false;
    list_ = longer;
    return true;
  }
  curl_slist *get() const { return list_; }

 private:
  curl_slist *list_ = nullptr;
};

class SetOptions {
 public:
  explicit SetOptions(CURL *easy) : easy_(easy) {}

  template <class T>
  SetOptions &operator()(CURLoption option, T value) {
    if (result_ == CURLE_OK) result_ = curl_easy_setopt(easy_, option, value);
    return *this;
  }
  CURLcode result() const { return result_; }

 private:
  CURL *easy_;
  CURLcode result_ = CURLE_OK;
};

}  // namespace agent_branch
