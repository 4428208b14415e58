// A column of file names: bytes in chunks, eight more for each name. A million names of seventy bytes are eighty
// megabytes, where a million std::strings take half as much again.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace postern::mailbox {

class NameColumn {
 public:
  static constexpr size_t kNameBytesMax = 4095;  // file systems say 255

  size_t size() const { return at_.size(); }
  // Valid until the next change.
  std::string_view operator[](size_t row) const {
    const uint64_t at = at_[row] >> 12;
    return {chunks_[at / kChunkBytes].get() + at % kChunkBytes, static_cast<size_t>(at_[row] & kNameBytesMax)};
  }
  void push_back(std::string_view name) { at_.push_back(Keep(name)); }
  void Set(size_t row, std::string_view name) {
    wasted_bytes_ += (*this)[row].size();
    at_[row] = Keep(name);  // `name` may be of this column: it is copied before anything moves
    if (wasted_bytes_ > 16 * kChunkBytes && wasted_bytes_ * 2 > chunks_.size() * kChunkBytes) Compact();
  }
  // Keeps the rows that `removed` does not mark.
  void Remove(const std::vector<uint8_t>& removed) {
    size_t kept = 0;
    for (size_t row = 0; row < removed.size(); ++row) {
      if (removed[row]) {
        wasted_bytes_ += (*this)[row].size();
      } else {
        at_[kept++] = at_[row];
      }
    }
    at_.resize(kept);
    if (wasted_bytes_ > 16 * kChunkBytes && wasted_bytes_ * 2 > chunks_.size() * kChunkBytes) Compact();
  }
  void clear() { *this = NameColumn(); }

 private:
  static constexpr size_t kChunkBytes = 4096;  // small: most mailboxes are

  uint64_t Keep(std::string_view name) {
    const size_t bytes = name.size() < kNameBytesMax ? name.size() : kNameBytesMax;
    if (chunks_.empty() || used_bytes_ + bytes > kChunkBytes) {
      chunks_.push_back(std::make_unique<char[]>(kChunkBytes));
      used_bytes_ = 0;
    }
    const uint64_t at = (chunks_.size() - 1) * kChunkBytes + used_bytes_;
    std::memcpy(chunks_.back().get() + used_bytes_, name.data(), bytes);
    used_bytes_ += bytes;
    return at << 12 | bytes;
  }
  void Compact() {
    NameColumn whole;
    whole.at_.reserve(at_.size());
    for (size_t row = 0; row < at_.size(); ++row) whole.push_back((*this)[row]);
    *this = std::move(whole);
  }

  std::vector<uint64_t> at_;  // where it begins << 12 | its length
  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t used_bytes_ = 0;  // of the last chunk
  size_t wasted_bytes_ = 0;
};

}  // namespace postern::mailbox
