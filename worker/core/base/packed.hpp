// Values as bytes, for another process of this server on this machine, which runs the same code.
//
// What a Packer wrote an Unpacker reads in the same order. Bytes that nobody packed are never
// followed out of their text: the first value that does not fit makes the Unpacker fail for good,
// and every later value is empty.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace agent_branch {

class Packer {
 public:
  void Number(uint64_t value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    packed_.append(bytes, sizeof value);
  }
  void Text(std::string_view text) {
    Number(text.size());
    packed_.append(text);
  }
  std::string Take() { return std::move(packed_); }

 private:
  std::string packed_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view packed) : rest_(packed) {}

  uint64_t Number() {
    uint64_t value = 0;
    if (rest_.size() < sizeof value) return Fail();
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::string Text() {
    const uint64_t length = Number();
    if (length > rest_.size()) {
      Fail();
      return {};
    }
    std::string text(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return text;
  }
  // Of a list whose elements take `least` bytes or more: no more than can be there.
  size_t Count(size_t least) {
    const uint64_t count = Number();
    return count > rest_.size() / least ? Fail() : count;
  }
  // Everything was read, and all of it was there.
  bool Complete() const { return !failed_ && rest_.empty(); }

 private:
  uint64_t Fail() {
    failed_ = true;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace agent_branch
