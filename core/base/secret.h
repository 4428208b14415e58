// Bytes that must not be shown: a password, a stored verifier. Wiped when they end; there is no way to print them.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace postern {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  explicit Secret(std::string_view bytes) : bytes_(bytes) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other) {
    if (this != &other) Wipe(), bytes_ = other.bytes_;
    return *this;
  }
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.Wipe(); }  // short strings live inside: copy, wipe
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) Wipe(), bytes_ = other.bytes_, other.Wipe();
    return *this;
  }
  ~Secret() { Wipe(); }

  // The bytes themselves. Whoever reveals them keeps them out of logs, replies and Status messages.
  std::string_view Reveal() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

 private:
  void Wipe() {
    volatile char* at = bytes_.data();
    for (size_t i = 0; i < bytes_.size(); ++i) at[i] = 0;
    bytes_.clear();
  }

  std::string bytes_;
};

}  // namespace postern
