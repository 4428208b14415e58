#include "core/base/entropy.h"

#include <bit>
#include <cstring>
#include <string_view>

namespace postern {
namespace {

void QuarterRound(uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d) {
  a += b;
  d = std::rotl(d ^ a, 16);
  c += d;
  b = std::rotl(b ^ c, 12);
  a += b;
  d = std::rotl(d ^ a, 8);
  c += d;
  b = std::rotl(b ^ c, 7);
}

}  // namespace

void Entropy::Refill() {
  std::array<uint32_t, 16> start{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  std::memcpy(&start[4], key_.data(), key_.size());
  start[12] = static_cast<uint32_t>(block_counter_);
  start[13] = static_cast<uint32_t>(block_counter_ >> 32);
  ++block_counter_;
  std::array<uint32_t, 16> s = start;
  for (int round = 0; round < 10; ++round) {
    QuarterRound(s[0], s[4], s[8], s[12]);
    QuarterRound(s[1], s[5], s[9], s[13]);
    QuarterRound(s[2], s[6], s[10], s[14]);
    QuarterRound(s[3], s[7], s[11], s[15]);
    QuarterRound(s[0], s[5], s[10], s[15]);
    QuarterRound(s[1], s[6], s[11], s[12]);
    QuarterRound(s[2], s[7], s[8], s[13]);
    QuarterRound(s[3], s[4], s[9], s[14]);
  }
  for (size_t i = 0; i < 16; ++i) s[i] += start[i];
  std::memcpy(block_.data(), s.data(), block_.size());
  used_bytes_ = 0;
}

uint64_t Entropy::Next() {
  if (used_bytes_ + sizeof(uint64_t) > block_.size()) Refill();
  uint64_t value = 0;
  std::memcpy(&value, block_.data() + used_bytes_, sizeof value);
  used_bytes_ += sizeof value;
  return value;
}

uint64_t Entropy::Below(uint64_t bound) {
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    if (const uint64_t value = Next(); value < limit) return value % bound;
  }
}

std::string Entropy::Bytes(size_t count) {
  std::string bytes;
  bytes.reserve(count + 8);
  while (bytes.size() < count) {
    const uint64_t value = Next();
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  bytes.resize(count);
  return bytes;
}

std::string Entropy::Hex(size_t count) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = Bytes(count);
  for (char& c : text) c = kDigits[static_cast<uint8_t>(c) & 15];
  return text;
}

}  // namespace postern
