// Chance as an argument: a stream of unpredictable bytes that follows from a key, so that a run with the same key is
// the same run. In the daemon the key comes from the operating system; in the simulator from the seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace postern {

// ChaCha20 key stream (RFC 8439 section 2.3) with a zero nonce. Not copied by accident: two copies would repeat
// secrets.
class Entropy {
 public:
  using Key = std::array<uint8_t, 32>;

  explicit Entropy(const Key& key) : key_(key) {}
  Entropy(const Entropy&) = delete;
  Entropy& operator=(const Entropy&) = delete;

  uint64_t Next();
  // A number in [0, bound); `bound` > 0. Unbiased.
  uint64_t Below(uint64_t bound);
  // `count` bytes.
  std::string Bytes(size_t count);
  // `count` lower-case hexadecimal digits.
  std::string Hex(size_t count);

 private:
  void Refill();

  Key key_;
  uint64_t block_counter_ = 0;
  std::array<uint8_t, 64> block_{};
  size_t used_bytes_ = 64;
};

}  // namespace postern
