// A message with 8-bit content made fit for a server without 8BITMIME (RFC 6152 section 3): parts that say they are
// "8bit" or "binary" become quoted-printable, multiparts and messages that say so become "7bit". Done as Postfix does
// it (mime_state(3) with MIME_OPT_DOWNGRADE), line for line, so that what a signature covers changes no more than
// there.
//
//   kPrimary ---+                          "--boundary"
//   kMultipart -+-- empty line --> kBody --------------> kMultipart
//   kNested ----+-- empty line of message/rfc822 -----> kNested
//               +-- a line that is no header ---------> kBody
//
// What is not declared is not touched: 8-bit bytes in headers, and in bodies that claim to be 7bit, leave as they are.
// Content-Transfer-Encoding moves to the end of its header block, for what it must say depends on Content-Type.
// Deviations: a message/* that we don't look into says "quoted-printable" when it becomes that (Postfix writes "7bit"
// above it, which nobody can undo). Leaves that are neither text nor a message and are declared "binary" become base64,
// for which RFC 2045 section 6.8 has it; Postfix makes them quoted-printable, too. The content decodes to the same.
// Bounded: a line's first kLineBytesMax, one field's kFieldBytesMax, kNestingMax boundaries. Linear.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::outbound {

class Downgrader {
 public:
  static constexpr size_t kLineBytesMax = 2048;      // line_length_limit: longer lines are treated in pieces
  static constexpr size_t kFieldBytesMax = 102'400;  // header_size_limit: what is beyond it is not read for meaning
  static constexpr size_t kBoundaryBytesMax = 2048;  // mime_boundary_length_limit

  explicit Downgrader(uint32_t nesting_limit) : nesting_limit_(nesting_limit) {}

  // Takes all of `bytes` (LF or CRLF line ends, pieces of any size); appends lines with LF.
  void Feed(std::string_view bytes, std::string* out);
  void Finish(std::string* out);
  // mime_nesting_limit was met: what comes out is no longer right, and the message fails with 5.6.0.
  bool nested_too_deep() const { return nested_too_deep_; }

 private:
  enum class State : uint8_t { kPrimary, kMultipart, kNested, kBody };
  enum class Type : uint8_t { kText, kMessage, kMultipart, kOther };
  enum class MessageType : uint8_t { kRfc822, kGlobal, kOther };
  enum class Domain : uint8_t { k7Bit, k8Bit, kBinary };  // RFC 2045 section 6.2
  enum class FieldKind : uint8_t { kNone, kOther, kContentType, kContentTransferEncoding };
  struct Boundary {
    bool of_digest;  // parts default to message/rfc822 (RFC 2046 section 5.1.5)
    std::string text;
  };

  void Line(std::string_view text, bool ends, std::string* out);
  bool ContinueField(std::string_view text, bool ends, std::string* out);
  void EndField(std::string* out);
  void ReadContentType();
  void ReadTransferEncoding();
  void EndHeader(bool empty_line, std::string* out);
  void BodyLine(std::string_view text, bool ends, std::string* out);
  void FindBoundary(std::string_view text, std::string* out);
  void EnterHeader(State state, bool message_by_default);
  bool encodes() const { return domain_ != Domain::k7Bit; }
  bool encodes_base64() const { return domain_ == Domain::kBinary && type_ == Type::kOther; }
  void QuotedPrintable(std::string_view text, bool ends, std::string* out);
  void Base64(std::string_view text, bool ends, std::string* out);
  void EndBase64(bool with_last_line_end, std::string* out);

  uint32_t nesting_limit_;
  State state_ = State::kPrimary;
  Type type_ = Type::kText;
  MessageType message_type_ = MessageType::kOther;
  Domain domain_ = Domain::k7Bit;
  std::vector<Boundary> boundaries_;  // the innermost is the last
  bool nested_too_deep_ = false;

  std::string line_;        // not handled yet
  bool continued_ = false;  // the piece before had no line end
  FieldKind field_kind_ = FieldKind::kNone;
  std::string field_;           // of the two kinds that are read, LF between its lines
  std::string encoded_;         // an output line under way; of base64: bytes not encoded yet
  bool owes_line_end_ = false;  // base64: whether it is content shows what follows
  bool base64_open_ = false;
};

}  // namespace postern::outbound
