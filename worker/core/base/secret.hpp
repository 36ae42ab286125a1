// A string that must never be printed: an API key, a password, a connection URI.
//
// There is no conversion to a string and no stream operator; the one way to the bytes is Reveal(),
// which a reader of the code can search for. The bytes are overwritten when the object goes.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace agent_branch {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  Secret(const Secret &) = default;
  Secret(Secret &&other) noexcept : bytes_(std::move(other.bytes_)) { other.Wipe(); }
  Secret &operator=(const Secret &other) {
    if (this != &other) {
      Wipe();
      bytes_ = other.bytes_;
    }
    return *this;
  }
  Secret &operator=(Secret &&other) noexcept {
    if (this != &other) {
      Wipe();
      bytes_ = std::move(other.bytes_);
      other.Wipe();
    }
    return *this;
  }
  ~Secret() { Wipe(); }

  bool empty() const { return bytes_.empty(); }
  // For the place that sends the secret where it belongs, and for nothing else.
  std::string_view Reveal() const { return bytes_; }

  friend bool operator==(const Secret &a, const Secret &b) { return a.bytes_ == b.bytes_; }
  friend bool operator!=(const Secret &a, const Secret &b) { return !(a == b); }

 private:
  void Wipe() noexcept {
    volatile char *bytes = bytes_.data();
    for (size_t n = 0; n < bytes_.size(); ++n)
      bytes[n] = 0;
    bytes_.clear();
  }

  std::string bytes_;
};

}  // namespace agent_branch
