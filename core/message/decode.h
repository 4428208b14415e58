// Undoing the encodings of MIME: Content-Transfer-Encoding (RFC 2045 section 6) and encoded words (RFC 2047), lenient
// as Dovecot is; BINARY sections (RFC 3516, RFC 9051 section 6.4.5.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/message/mime.h"

namespace postern::message {

enum class TransferEncoding : uint8_t { kIdentity, kQuotedPrintable, kBase64, kUnknown };

// `value`: that of the field. kIdentity: 7bit, 8bit, binary.
TransferEncoding ParseTransferEncoding(std::string_view value);
// That of a part with this header block: of several fields the last counts; kIdentity without any.
TransferEncoding EncodingOf(std::string_view header);

// Decodes a body in pieces of any size. Output is never longer than the input, but for LFs that get a CR.
class TransferDecoder {
 public:
  explicit TransferDecoder(TransferEncoding encoding) : encoding_(encoding) {}

  // Appends what `bytes` stands for. Behind an error base64 yields nothing more, quoted-printable shows what it met.
  // kUnknown yields nothing.
  void Feed(std::string_view bytes, std::string* out);
  void Finish(std::string* out);
  // Something was not as it should be.
  bool damaged() const { return damaged_; }

 private:
  enum class QpState : uint8_t { kText, kSpace, kEquals, kEqualsSpace, kHex, kCr, kSoftCr };
  void FeedBase64(std::string_view bytes, std::string* out);
  void FeedBase64Byte(char c, std::string* out);
  void FeedQuotedPrintable(std::string_view bytes, std::string* out);
  size_t FeedQpText(std::string_view bytes, std::string* out);
  // False: `c` was not taken and is to be looked at again.
  bool FeedQpByte(char c, std::string* out);
  void ShowQpDamage(std::string* out);

  TransferEncoding encoding_;
  bool damaged_ = false;
  // base64
  uint8_t bits_ = 0;         // those of the last digit that are still to come
  uint8_t digit_count_ = 0;  // of the group, 0..3
  bool padding_ = false;     // one "=" of two was seen
  bool ended_ = false;       // the padding is complete
  // quoted-printable
  QpState state_ = QpState::kText;
  char hex_ = 0;
  std::string space_;  // white space that may be at the end of a line; at most kQpSpaceBytesMax + 1
};

// The content of `part` without its transfer encoding, nested parts included (their headers then say "binary"), as
// BINARY[...] gives it. `with_header`: BINARY[] of a whole message. Appends.
enum class BinaryResult : uint8_t {
  kOk,
  kUnknownEncoding,  // RFC 3516 section 4.3: NO [UNKNOWN-CTE]
  kDamaged,          // cannot be decoded; what was appended is to be thrown away
};
BinaryResult AppendBinary(std::string_view message, const Part& part, bool with_header, std::string* out);

// ---- encoded words (RFC 2047) ---------------------------------------------------------------------------------------

// `value` (a field's, unfolded or not) with its encoded words decoded, as valid UTF-8. White space between two encoded
// words disappears (section 6.2). Appends.
void AppendDecodedHeader(std::string_view value, std::string* out);
std::string DecodedHeader(std::string_view value);
// The same, folded for comparing (charset.h).
void AppendFoldedHeader(std::string_view value, std::string* out);

// RFC 2231 section 4: an extended value (charset'language'percent-encoded) as UTF-8.
std::string DecodedParameter(std::string_view extended_value);

}  // namespace postern::message
