// Framer cuts a client's bytes into whole commands: lines and the literals they announce (RFC 3501 sections 2.2
// and 4.3, RFC 7888 LITERAL+, RFC 3516 literal8). It knows no command but APPEND, whose messages it hands over as they
// arrive.
//
//   +-------+ -- LF, nothing announced --> kCommand
//   | kLine | -- {n+} ------------------------------> +----------+
//   |       | -- {n} --> kContinue, AcceptLiteral() -> | kLiteral | -- n bytes --> kLine
//   |       |                                         +----------+
//   |       | -- of APPEND's message --> kAppendLiteral, AcceptLiteral() --> +----------+
//   |       |                                                               | kMessage | -- n bytes --> kLine
//   |       |                                                               +----------+
//   |       | -- limit exceeded, RefuseLiteral() --> +-------+
//   +-------+                                        | kSkip | -- end of the command --> kLine
//                                                    +-------+
//
// A loop of the owner:
//   while (true) {
//     const Framer::Step step = framer.Next(input);      // looks at the front of `input`
//     input.remove_prefix(step.consumed_bytes);
//     switch (step.kind) { case kNeedInput: return; case kCommand: ...; framer.Release(); ... }
//   }
//
// Owner: one IMAP session. Text and chunk views are valid until the next call of Next() or Release(), and no longer
// than `input`: a command that lies whole in `input` is not copied. Invariants: at most command_bytes_max + one piece
// of input is held; nothing is held between commands after Release(). Whatever the input, a line that begins after a
// command's end begins a command: sync is never lost, except where a client sends a literal unasked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::imap {

class Framer {
 public:
  struct Limits {
    // Longest line without its line end; Dovecot's imap_max_line_length.
    size_t line_bytes_max = 65536;
    // Longest literal that is buffered, so not APPEND's messages.
    size_t literal_bytes_max = 65536;
    // Longest command: all its lines and buffered literals.
    size_t command_bytes_max = 1 << 20;
    // Longest non-synchronizing literal that is swallowed after a refusal; a longer one ends the connection.
    uint64_t skipped_bytes_max = uint64_t{1} << 30;
    // Whether APPEND's messages are handed over (after login). Before it, APPEND is like any other command.
    bool stream_append = true;
  };

  enum class Kind : uint8_t {
    // All of the input is taken; more is needed.
    kNeedInput,
    // A whole command: `text`, its literals in place (`{5}` CRLF and five bytes), without the last line end.
    kCommand,
    // A synchronizing literal is announced. Say "+ OK" and call AcceptLiteral(); or answer and call RefuseLiteral().
    // `text` is the command so far.
    kContinue,
    // APPEND announces a message of literal().bytes. `text` is the command up to and with the announcement; for a
    // further message of the same APPEND (RFC 3502, RFC 4469) what followed the last. Call AcceptLiteral(), after "+
    // OK"
    // when literal().synchronizing, or answer and call RefuseLiteral().
    kAppendLiteral,
    // Bytes of that message: `text` is a view into the input. kAppendLiteralEnd follows the last.
    kChunk,
    kAppendLiteralEnd,
    // The end of an APPEND that had messages: `text` is what followed the last, mostly nothing.
    kAppendEnd,
    // A line that ExpectLine() asked for: `text`.
    kLine,
    // A limit was exceeded: `text` says which, in Dovecot's words; error_tag() has the tag, "" when it is unknown. What
    // remains of the command is swallowed without further notice.
    kError,
    // As kError, but it cannot be swallowed: answer and close. Nothing more comes.
    kFatal,
  };

  struct Step {
    Kind kind = Kind::kNeedInput;
    size_t consumed_bytes = 0;  // from the front of the input
    std::string_view text;
  };

  struct Literal {
    uint64_t bytes = 0;
    bool synchronizing = true;
    bool binary = false;  // literal8: RFC 3516 section 4.4
  };

  explicit Framer(const Limits& limits) : limits_(limits) {}

  // The next thing in `input`. Views are valid as said above. Calling it at kContinue or kAppendLiteral without an
  // answer accepts the literal.
  Step Next(std::string_view input);

  // What kContinue and kAppendLiteral announced.
  const Literal& literal() const { return literal_; }
  void AcceptLiteral();
  // The command is over for the session. A synchronizing literal is not sent by the client, so the next line begins a
  // command; anything else is swallowed up to the command's end.
  void RefuseLiteral();

  // The next thing is one plain line of at most `line_bytes_max` bytes, without its line end: an answer of
  // AUTHENTICATE, or IDLE's DONE. Once; then commands again. A longer line is a kError. Only between commands.
  void ExpectLine(size_t line_bytes_max);

  // Drops the command that was handed out and all memory with it. Call it once its text is no longer needed.
  void Release();
  // New limits, from the next command on (after login).
  void set_limits(const Limits& limits) { limits_ = limits; }

  std::string_view error_tag() const { return error_tag_; }
  // Whether a command has begun and not ended: what a session that is to close must know, and Release() must not drop.
  bool InCommand() const;
  size_t held_bytes() const { return buffer_.capacity() > kSmallStringBytes ? buffer_.capacity() : 0; }

 private:
  enum class State : uint8_t {
    kLine,
    kLiteral,
    kAwaitAnswer,
    kMessage,
    kMessageEnd,
    kSkipLine,
    kSkipLiteral,
    kPlainLine,
    kDead
  };
  static constexpr size_t kSmallStringBytes = 15;

  Step NextLine(std::string_view input);
  Step NextPlainLine(std::string_view input);
  Step NextLiteral(std::string_view input);
  Step NextMessage(std::string_view input);
  Step SkipLine(std::string_view input);
  Step SkipLiteral(std::string_view input);
  Step EndOfLine(std::string_view input, size_t line_bytes, size_t consumed_bytes);
  Step Announced(std::string_view text, size_t consumed_bytes);
  Step Fail(std::string_view what, std::string_view text, size_t consumed_bytes, State next);
  void Begin();

  Limits limits_;
  State state_ = State::kLine;
  bool handed_out_ = false;  // buffer_ belongs to a command that was handed out: dropped at the next Next()
  bool is_append_ = false;   // this command streams: RFC 3501 section 6.3.11
  bool append_literal_seen_ = false;
  bool in_quote_ = false;
  bool last_was_lf_scanned_ = false;
  Literal literal_;
  uint64_t left_bytes_ = 0;  // of the literal being read or skipped
  size_t line_start_ = 0;    // of the current line in buffer_
  size_t plain_line_bytes_max_ = 0;
  std::string buffer_;
  std::string error_tag_;
};

}  // namespace postern::imap
