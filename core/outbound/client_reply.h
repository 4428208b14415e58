// Replies of a server, as a client reads them (RFC 5321 section 4.2, enhanced codes RFC 2034): bounded, in pieces of
// any size, and as tolerant as Postfix's smtp_chat_resp(): lines that are no part of a reply are passed over, what
// cannot be printed becomes '?', long lines and long replies are cut.
// Owner: one connection. Bounded: kReplyTextBytesMax of text, one line of kReplyLineBytesMax, kReplyLinesMax lines,
// kReplyBytesMax with what was cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::outbound {

inline constexpr size_t kReplyLineBytesMax = 2048;  // line_length_limit; RFC 5321 section 4.5.3.1.5 allows 512
inline constexpr size_t kReplyTextBytesMax = 2 * kReplyLineBytesMax;
// Postfix has no such limit: a server could keep it busy for ever. The longest known greetings have some dozen lines.
inline constexpr int kReplyLinesMax = 1000;
// Nor one for a line that never ends.
inline constexpr size_t kReplyBytesMax = kReplyLinesMax * kReplyLineBytesMax;

struct ServerReply {
  int code = 0;        // 100..599 by the grammar, 000..999 in practice
  std::string status;  // "5.1.1"; "c.0.0" where the server named none that fits its code; "5.5.0" where the code is
                       // none of 2, 4, 5
  std::string text;    // all lines with their codes, line ends as '\n': "250-mx.example\n250 SIZE 1"

  int code_class() const { return code / 100; }
  // The same as one line, as logs and notices have it.
  std::string OneLine() const;
};

class ReplyReader {
 public:
  enum class Result : uint8_t {
    kMore,     // all of `*in` was taken, the reply is not complete
    kReply,    // `*out` is a reply; `*in` is what follows it
    kTooLong,  // kReplyLinesMax, kReplyBytesMax: the server is no SMTP server, or means harm
  };
  // Takes bytes from the front of `*in`, up to the end of one reply at most.
  Result Read(std::string_view* in, ServerReply* out);
  // A line was passed over that belongs to no reply. With pipelining the replies may be out of step since then.
  bool saw_garbage() const { return saw_garbage_; }
  // The first such line since the last call, at most 100 bytes of it; empty: none.
  std::string TakeGarbage();
  // What is held of a reply is forgotten: TLS begins.
  void Reset();
  // Something of a reply was read.
  bool in_reply() const { return line_count_ > 0 || !line_.empty(); }

 private:
  bool EndLine(ServerReply* out);

  std::string line_;  // without its end
  std::string text_;  // the lines before
  int line_count_ = 0;
  size_t bytes_read_ = 0;  // of the reply, with what was cut
  bool saw_garbage_ = false;
  std::string garbage_;
};

// Does `bytes` hold the beginning of a reply: a line that begins with a digit?
bool BeginsReply(std::string_view bytes);

}  // namespace postern::outbound
