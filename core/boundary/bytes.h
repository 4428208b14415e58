// Bytes on their way out: owned, or shared between several users without copying.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace postern {

using SharedBytes = std::shared_ptr<const std::string>;

// A sequence of pieces that is written as one.
class Chain {
 public:
  Chain() = default;
  explicit Chain(std::string bytes) { Append(std::move(bytes)); }

  void Append(std::string bytes) {
    if (!bytes.empty()) pieces_.emplace_back(std::move(bytes));
  }
  void Append(SharedBytes bytes) {
    if (bytes && !bytes->empty()) pieces_.emplace_back(std::move(bytes));
  }

  size_t piece_count() const { return pieces_.size(); }
  std::string_view piece(size_t i) const {
    if (const auto* owned = std::get_if<std::string>(&pieces_[i])) return *owned;
    return *std::get<SharedBytes>(pieces_[i]);
  }
  size_t size_bytes() const {
    size_t sum = 0;
    for (size_t i = 0; i < pieces_.size(); ++i) sum += piece(i).size();
    return sum;
  }
  bool empty() const { return pieces_.empty(); }
  std::string Flatten() const {
    std::string all;
    all.reserve(size_bytes());
    for (size_t i = 0; i < pieces_.size(); ++i) all += piece(i);
    return all;
  }

 private:
  std::vector<std::variant<std::string, SharedBytes>> pieces_;
};

}  // namespace postern
