// What the fuzz targets share: how an input is taken apart, and how a broken law ends the process.
//
// Inputs are made to be read and written by people, too: choices are one character each at the front ('0' chooses the
// first), parts stand between lines of "====", and everything else is the bytes as they would come. So seeds are
// reviewed like other files, and a finding explains itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace postern::fuzz {

// `law` says what should have held, `shown` what broke it.
inline void Require(bool holds, std::string_view law, std::string_view shown = {}) {
  if (holds) return;
  const std::string text = "broken law: " + std::string(law) + "\n" + std::string(shown.substr(0, 4000)) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::abort();
}
// The two must be equal; shows both and where they part.
inline void RequireEqual(std::string_view a, std::string_view b, std::string_view law) {
  if (a == b) return;
  const size_t at = static_cast<size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(std::min(a.size(), b.size())), b.begin()).first -
      a.begin());
  Require(false, law,
          "from byte " + std::to_string(at) + " on:\n[" + std::string(a.substr(at, 1500)) + "]\nbut\n[" +
              std::string(b.substr(at, 1500)) + "]");
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  // One of `count` choices; the first at the input's end.
  size_t Choose(size_t count) {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_.front() - '0');
    rest_.remove_prefix(1);
    return byte % count;
  }
  // Up to the next line of "====", or all.
  std::string_view Part() {
    if (rest_.starts_with(kLine.substr(1))) {
      rest_.remove_prefix(kLine.size() - 1);
      return {};
    }
    const size_t end = rest_.find(kLine);
    const std::string_view part = rest_.substr(0, end == std::string_view::npos ? end : end + 1);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + kLine.size());
    return part;
  }
  // Up to the next line end, without it, or all.
  std::string_view Line() {
    const size_t end = rest_.find('\n');
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return line;
  }
  std::string_view Rest() {
    const std::string_view rest = rest_;
    rest_ = {};
    return rest;
  }
  bool empty() const { return rest_.empty(); }

 private:
  static constexpr std::string_view kLine = "\n====\n";
  std::string_view rest_;
};

// Calls `take` with `bytes` in pieces of `piece_bytes` (at least 1), each in memory of its own, so that reading beyond
// one or keeping a view into one is seen.
template <class Take>
void InPieces(std::string_view bytes, size_t piece_bytes, Take take) {
  while (!bytes.empty()) {
    const std::string piece(bytes.substr(0, piece_bytes));
    bytes.remove_prefix(piece.size());
    take(std::string_view(piece));
  }
}

}  // namespace postern::fuzz

// Every target is one function of the input's bytes; libFuzzer has main().
#define POSTERN_FUZZ_TARGET(run)                                            \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    run(postern::fuzz::Input(data, size));                                  \
    return 0;                                                               \
  }
