// Messages on disk may end their lines with LF; the protocols know CRLF only. This converts on the way: a bare LF gets
// a CR, a CRLF stays, a bare CR and a NUL are kept as the data they are. Offsets of clients (RFC 9051 section 6.4.5,
// partial fetches) count the converted bytes, so a range of those can be asked for.
//
// Invariants: converting converted bytes changes nothing; the size is known without converting.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::message {

// Counts what a message will be with CRLF line ends, in one pass, over pieces of any size.
class CrlfCounter {
 public:
  void Feed(std::string_view bytes);
  uint64_t crlf_bytes() const { return bytes_ + bare_lf_count_; }  // Maildir's ",W=", RFC822.SIZE
  uint64_t bytes() const { return bytes_; }
  uint64_t lines() const { return lines_; }  // line feeds
  uint64_t bare_lf_count() const { return bare_lf_count_; }

 private:
  uint64_t bytes_ = 0;
  uint64_t lines_ = 0;
  uint64_t bare_lf_count_ = 0;
  bool after_cr_ = false;
};

// The size of `bytes` with CRLF line ends.
uint64_t CrlfSize(std::string_view bytes);

// Appends `bytes` to `*out`, with CRLF line ends. `after_cr`: the byte before `bytes` was a CR.
void AppendCrlf(std::string_view bytes, std::string* out, bool after_cr = false);
std::string ToCrlf(std::string_view bytes);

// Converts a stream, and gives only the converted bytes [begin, end): the rest is counted, not copied. Pieces may be
// of any size. A caller that knows a point in the middle (resume()) may begin there instead of at the start.
class CrlfReader {
 public:
  // A place in both streams: `file_bytes` read are `crlf_bytes` converted.
  struct Point {
    uint64_t file_bytes = 0;
    uint64_t crlf_bytes = 0;
    bool after_cr = false;
    bool operator==(const Point&) const = default;
  };

  CrlfReader(uint64_t begin_bytes, uint64_t end_bytes) : begin_(begin_bytes), end_(end_bytes) {}
  CrlfReader(Point from, uint64_t begin_bytes, uint64_t end_bytes) : at_(from), begin_(begin_bytes), end_(end_bytes) {}

  // Reads all of `bytes`, unless done(). Appends to `*out` at most end - begin bytes over all calls.
  void Feed(std::string_view bytes, std::string* out);
  // Everything asked for was given: no need to read on.
  bool done() const { return at_.crlf_bytes >= end_; }
  const Point& resume() const { return at_; }

 private:
  void Emit(std::string_view bytes, std::string* out);

  Point at_;
  uint64_t begin_;
  uint64_t end_;
};

// Whether every LF has its CR: then the bytes can be sent as they are.
bool HasOnlyCrlf(std::string_view bytes);

}  // namespace postern::message
