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
// Owner: one IMAP session. Text and chunk views are valid until the next call of a member that is not const, and no
// longer than `input`: a command of one line that lies whole in `input` is not copied.
// Invariants: at most command_bytes_max bytes are held, and none between commands after Release(). Whatever the input,
// a line that begins after a command's end begins a command: sync is never lost, except where a client sends a
// synchronizing literal unasked.
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
    // further message of the same APPEND (RFC 3502, RFC 4469) what followed the last. Call AcceptLiteral(), when
    // literal().synchronizing after saying "+ OK"; or answer and call RefuseLiteral().
    kAppendLiteral,
    // Bytes of that message: `text` is a view into the input. kAppendLiteralEnd follows the last.
    kChunk,
    kAppendLiteralEnd,
    // The end of an APPEND that had messages: `text` is what followed the last, mostly nothing.
    kAppendEnd,
    // A line that ExpectLine() asked for: `text`.
    kLine,
    // A limit was exceeded. `text` is for the answer, in Dovecot's words ("Error in IMAP command LOGIN: Too long
    // argument."); error_tag() has the tag, "" when it is unknown or the
    // session has it already, since an APPEND's message was announced. What remains of the command is swallowed without
    // further notice.
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
  // Whether something has begun and not ended: a command, or a line that ExpectLine() waits for.
  bool InCommand() const;
  // Memory held beyond the object itself.
  size_t held_bytes() const;

 private:
  enum class State : uint8_t {
    kLine,
    kLiteral,
    kAwaitAnswer,
    kMessage,
    kSkipLine,
    kSkipLiteral,
    kPlainLine,
    kSkipPlainLine,
    kGiveUp,
    kDead,
  };
  // Where a line stands with respect to quoted strings: within one, `{5}` announces nothing.
  struct Quoting {
    bool inside = false;
    bool escaped = false;
    char last = ' ';
    void Scan(std::string_view text);
  };

  Step NextOf(std::string_view input);
  Step NextLine(std::string_view input);
  Step NextLiteral(std::string_view input);
  Step NextMessage(std::string_view input);
  Step NextPlainLine(std::string_view input);
  size_t SkipLine(std::string_view input);
  size_t SkipPlainLine(std::string_view input);
  size_t SkipLiteral(std::string_view input);
  size_t RoomBytes() const;
  bool TooLong(std::string_view input, size_t line_bytes, bool whole) const;
  Step LineEnded(std::string_view text, size_t line_end_bytes, size_t consumed_bytes);
  Step Announced(std::string_view text, size_t line_end_bytes, size_t consumed_bytes);
  bool StreamsNow(std::string_view text) const;
  Step Fail(std::string_view what, std::string_view text, size_t consumed_bytes, State next);
  void SkipAnnounced(const Literal& literal);
  void ForgetSkipped();
  std::string_view Collect(std::string_view bytes);
  void EndCommand();

  Limits limits_;
  State state_ = State::kLine;
  bool in_append_ = false;   // a message of this APPEND was announced
  bool handed_out_ = false;  // what buffer_ holds was handed out and goes at the next call
  bool streaming_ = false;   // the literal announced is a message
  Literal literal_;
  uint64_t left_bytes_ = 0;  // of the literal being read or swallowed
  size_t line_start_ = 0;    // of the current line in buffer_
  size_t plain_line_bytes_max_ = 0;
  Quoting quoting_;     // of the line being swallowed
  std::string buffer_;  // the command so far; of a line being swallowed its last few bytes
  std::string error_tag_;
  std::string error_text_;
};

}  // namespace postern::imap
