// A server's ERROR as values: its fields, its place in a text, and texts that are fit to be shown.
#pragma once

#include <libpq-fe.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "worker/core/flow/branch_task.hpp"

namespace agent_branch {

// What one ErrorResponse held. `position` counts characters of the text that was sent, from 1; it
// is 0 when the error has no place in it.
struct ServerMessage {
  ServerError fields;
  int position = 0;
  std::string severity;
  bool ends_session = false;  // FATAL or PANIC
};

// `secret` is redacted in every text before the text is cut.
ServerMessage ReadServerMessage(const PGresult *result, std::string_view secret);

// What a server said besides errors, as much of it as is worth keeping.
class NoticeList {
 public:
  static constexpr size_t kMost = 100;
  static constexpr size_t kMostBytes = 64 * 1024;

  struct Heard {
    ServerNotice notice;
    int query = 0;      // which one was being answered
    int completed = 0;  // its statements of which the results had been handed out
  };

  void Add(ServerMessage message, int query, int completed);
  const std::vector<Heard> &kept() const { return kept_; }
  int64_t dropped() const { return dropped_; }

 private:
  std::vector<Heard> kept_;
  size_t bytes_ = 0;
  int64_t dropped_ = 0;
};

struct TextPlace {
  int line = 0;
  int column = 0;
};
// The place of the character `position` (from 1) of a UTF-8 text, counted in bytes instead when
// `counts_bytes`; zeros when the text has no such character.
TextPlace PlaceInText(std::string_view text, int position, bool counts_bytes);

// How far `text` moves the positions behind it, counted in the same way.
int CharactersIn(std::string_view text, bool counts_bytes);

// Cuts to `kLongestText` bytes, never inside a UTF-8 sequence.
inline constexpr size_t kLongestText = 8 * 1024;
std::string CutText(std::string_view text);

// Every occurrence of `secret` becomes ***.
std::string Redact(std::string text, std::string_view secret);

}  // namespace agent_branch
