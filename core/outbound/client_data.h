// What follows 354: a message as DATA carries it (RFC 5321 sections 4.1.1.4 and 4.5.2): CRLF line ends, leading dots
// doubled, long lines folded, CRLF "." CRLF at the end.
//
// Lines in may end with LF or CRLF. A CR that ends no line becomes a space: RFC 5321 section 2.3.8 forbids sending one,
// and a server that takes it for a line end could be made to see the end of the message where there is none (SMTP
// smuggling, CVE-2023-51764; Postfix's cleanup_replace_stray_cr_lf). A bare LF is a line end here, so none leaves.
// Invariant: the bytes out hold CRLF "." CRLF once, at their end, however the bytes in are cut.
// Owner: one transaction. Bounded: nothing is kept but a CR.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::outbound {

class DataWriter {
 public:
  static constexpr size_t kLineBytesMin = 16;  // a guess: a fold must leave room for more than itself

  // `line_bytes_max`: smtp_line_length_limit, without the line end; 0: no limit. Longer lines go on after CRLF SP, as
  // Postfix has it: RFC 5321 section 4.5.3.1.6 lets servers refuse them, and many do. Less than kLineBytesMin is taken
  // for it.
  explicit DataWriter(size_t line_bytes_max)
      : line_bytes_max_(line_bytes_max != 0 && line_bytes_max < kLineBytesMin ? kLineBytesMin : line_bytes_max) {}

  // Takes all of `bytes`, in pieces of any size; appends what is to be sent: at most four bytes for one.
  void Feed(std::string_view bytes, std::string* out);
  // Ends the last line where it has no end, then the message.
  void Finish(std::string* out);

  bool folded() const { return folded_; }

 private:
  void Text(std::string_view text, std::string* out);
  void EndLine(std::string* out);

  size_t line_bytes_max_;
  size_t line_bytes_ = 0;  // of the line under way, without a doubled dot
  bool held_cr_ = false;
  bool folded_ = false;
};

}  // namespace postern::outbound
