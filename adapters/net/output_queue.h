// Bytes on their way to one peer: the chains as the core gave them, written from where they lie. Holds no memory while
// empty. Owner: one connection.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "core/boundary/bytes.h"

namespace postern::net {

class OutputQueue {
 public:
  void Append(Chain chain) {
    const size_t bytes = chain.size_bytes();
    if (bytes == 0) return;
    pending_bytes_ += bytes;
    appended_bytes_ += bytes;
    chains_.push_back(std::move(chain));
  }

  bool empty() const { return pending_bytes_ == 0; }
  size_t pending_bytes() const { return pending_bytes_; }
  uint64_t appended_bytes() const { return appended_bytes_; }                   // since the connection began
  uint64_t consumed_bytes() const { return appended_bytes_ - pending_bytes_; }  // since the connection began

  // The first bytes, not empty unless the queue is.
  std::string_view Front() const { return empty() ? std::string_view() : Here(); }
  // Fills up to `count_max` parts; returns how many.
  int Fill(iovec* parts, int count_max) const {
    int count = 0;
    size_t chain = chain_, piece = piece_, offset = offset_bytes_;
    while (chain < chains_.size() && count < count_max) {
      const std::string_view bytes = chains_[chain].piece(piece).substr(offset);
      parts[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
      offset = 0;
      if (++piece == chains_[chain].piece_count()) ++chain, piece = 0;
    }
    return count;
  }
  // The first `bytes` bytes have left.
  void Consume(size_t bytes) {
    pending_bytes_ -= bytes;
    while (bytes > 0) {
      const size_t here = std::min(bytes, Here().size());
      offset_bytes_ += here;
      bytes -= here;
      if (Here().empty()) NextPiece();
    }
    if (pending_bytes_ == 0) {
      chains_ = {};
      chain_ = piece_ = offset_bytes_ = 0;
    } else if (chain_ > kChainsKept) {
      chains_.erase(chains_.begin(), chains_.begin() + static_cast<ptrdiff_t>(chain_));
      chain_ = 0;
    }
  }

 private:
  static constexpr size_t kChainsKept = 64;  // finished chains that are let go together

  // The rest of the piece that is being written.
  std::string_view Here() const { return chains_[chain_].piece(piece_).substr(offset_bytes_); }
  void NextPiece() {
    offset_bytes_ = 0;
    if (++piece_ < chains_[chain_].piece_count()) return;
    piece_ = 0;
    chains_[chain_++] = Chain();
  }

  std::vector<Chain> chains_;
  size_t chain_ = 0, piece_ = 0, offset_bytes_ = 0;  // the first byte still pending
  size_t pending_bytes_ = 0;
  uint64_t appended_bytes_ = 0;
};

}  // namespace postern::net
