#include <array>

#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/message/decode.h"
#include "core/message/header.h"
#include "core/message/lexer.h"

namespace postern::message {
namespace {

// RFC 2045 section 6.7: lines have at most 76 characters, so that more white space than this cannot be content.
constexpr size_t kQpSpaceBytesMax = 76;

constexpr uint8_t kNoDigit = 0xFF;

constexpr std::array<uint8_t, 256> MakeBase64Digits() {
  std::array<uint8_t, 256> digits{};
  for (auto& digit : digits) digit = kNoDigit;
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < alphabet.size(); ++i)
    digits[static_cast<unsigned char>(alphabet[i])] = static_cast<uint8_t>(i);
  return digits;
}
constexpr std::array<uint8_t, 256> kBase64Digits = MakeBase64Digits();

uint8_t Base64Digit(char c) { return kBase64Digits[static_cast<unsigned char>(c)]; }

std::string_view Slice(std::string_view message, Range range) { return message.substr(range.begin, range.size()); }

bool IsCoded(TransferEncoding encoding) {
  return encoding == TransferEncoding::kBase64 || encoding == TransferEncoding::kQuotedPrintable;
}

// A header whose part is decoded says so (RFC 3516 section 4.2 wants the decoded content; Dovecot labels it).
void AppendBinaryHeader(std::string_view header, TransferEncoding encoding, std::string* out) {
  if (!IsCoded(encoding)) {
    out->append(header);
    return;
  }
  HeaderReader reader(header);
  for (Field field; reader.Next(&field);) {
    if (!field.Is("Content-Transfer-Encoding")) out->append(field.raw);
  }
  // A header followed by a boundary line at once has given up its empty line; Dovecot writes one here.
  if (!reader.saw_empty_line() && !header.ends_with('\n')) return;
  out->append("Content-Transfer-Encoding: binary\r\n\r\n");
}

// Recursion is bounded by kPartDepthMax.
BinaryResult AppendBinaryBody(std::string_view message, const Part& part, TransferEncoding encoding, std::string* out) {
  if (part.children.empty()) {
    TransferDecoder decoder(encoding);
    decoder.Feed(Slice(message, part.body), out);
    decoder.Finish(out);
    return decoder.damaged() ? BinaryResult::kDamaged : BinaryResult::kOk;
  }
  uint64_t at = part.body.begin;
  for (const Part& child : part.children) {
    out->append(Slice(message, {at, child.header.begin}));
    const BinaryResult result = AppendBinary(message, child, true, out);
    if (result != BinaryResult::kOk) return result;
    at = child.body.end;
  }
  out->append(Slice(message, {at, part.body.end}));
  return BinaryResult::kOk;
}

}  // namespace

TransferEncoding ParseTransferEncoding(std::string_view value) {
  Lexer lexer(value);
  lexer.SkipCfws();
  std::string token;
  if (lexer.ReadToken(&token) == Lexer::Status::kMore) {
    // "base64 binary" is neither; parameters, which RFC 2045 does not know, change nothing.
    if (lexer.peek() != ';') return TransferEncoding::kUnknown;
  }
  for (std::string_view identity : {"7bit", "8bit", "binary"}) {
    if (EqualsIgnoringCase(token, identity)) return TransferEncoding::kIdentity;
  }
  if (EqualsIgnoringCase(token, "base64")) return TransferEncoding::kBase64;
  if (EqualsIgnoringCase(token, "quoted-printable")) return TransferEncoding::kQuotedPrintable;
  return TransferEncoding::kUnknown;
}

TransferEncoding EncodingOf(std::string_view header) {
  TransferEncoding encoding = TransferEncoding::kIdentity;
  HeaderReader reader(header);
  for (Field field; reader.Next(&field);) {
    if (field.Is("Content-Transfer-Encoding")) encoding = ParseTransferEncoding(field.value);
  }
  return encoding;
}

BinaryResult AppendBinary(std::string_view message, const Part& part, bool with_header, std::string* out) {
  const std::string_view header = Slice(message, part.header);
  const TransferEncoding encoding = EncodingOf(header);
  if (encoding == TransferEncoding::kUnknown) return BinaryResult::kUnknownEncoding;
  if (with_header) AppendBinaryHeader(header, encoding, out);
  return AppendBinaryBody(message, part, encoding, out);
}

void TransferDecoder::Feed(std::string_view bytes, std::string* out) {
  switch (encoding_) {
    case TransferEncoding::kIdentity:
      out->append(bytes);
      break;
    case TransferEncoding::kBase64:
      FeedBase64(bytes, out);
      break;
    case TransferEncoding::kQuotedPrintable:
      FeedQuotedPrintable(bytes, out);
      break;
    case TransferEncoding::kUnknown:
      break;
  }
}

void TransferDecoder::Finish(std::string* out) {
  if (encoding_ == TransferEncoding::kBase64) {
    if (digit_count_ != 0) damaged_ = true;
  } else if (encoding_ == TransferEncoding::kQuotedPrintable) {
    if (state_ != QpState::kText && state_ != QpState::kSpace) ShowQpDamage(out);
    space_.clear();
  }
}

void TransferDecoder::FeedBase64(std::string_view bytes, std::string* out) {
  size_t at = 0;
  while (at < bytes.size() && !damaged_) {
    // Whole groups, which is nearly all.
    if (digit_count_ == 0 && !ended_) {
      while (at + 4 <= bytes.size()) {
        const uint8_t a = Base64Digit(bytes[at]), b = Base64Digit(bytes[at + 1]), c = Base64Digit(bytes[at + 2]),
                      d = Base64Digit(bytes[at + 3]);
        if ((a | b | c | d) & 0xC0) break;
        const char group[] = {static_cast<char>(a << 2 | b >> 4), static_cast<char>(b << 4 | c >> 2),
                              static_cast<char>(c << 6 | d)};
        out->append(group, sizeof group);
        at += 4;
      }
      if (at == bytes.size()) return;
    }
    FeedBase64Byte(bytes[at++], out);
  }
}

void TransferDecoder::FeedBase64Byte(char c, std::string* out) {
  if (IsWhiteSpace(c)) return;
  if (c == '=' && !ended_ && digit_count_ >= 2) {
    ended_ = digit_count_ == 3;
    padding_ = !ended_;
    digit_count_ = ended_ ? 0 : 3;
    return;
  }
  const uint8_t digit = Base64Digit(c);
  if (digit == kNoDigit || padding_ || ended_) {
    damaged_ = true;
    return;
  }
  const auto emit = [out](int byte) { out->push_back(static_cast<char>(byte)); };
  switch (digit_count_) {
    case 0:
      break;
    case 1:
      emit(bits_ << 2 | digit >> 4);
      break;
    case 2:
      emit(bits_ << 4 | digit >> 2);
      break;
    default:
      emit(bits_ << 6 | digit);
  }
  bits_ = digit;
  digit_count_ = static_cast<uint8_t>((digit_count_ + 1) % 4);
}

void TransferDecoder::FeedQuotedPrintable(std::string_view bytes, std::string* out) {
  for (size_t at = 0; at < bytes.size();) {
    if (state_ == QpState::kText) {
      at += FeedQpText(bytes.substr(at), out);
    } else if (FeedQpByte(bytes[at], out)) {
      ++at;
    }
  }
}

// Takes a run of plain text and the byte that ends it.
size_t TransferDecoder::FeedQpText(std::string_view bytes, std::string* out) {
  const size_t run = bytes.find_first_of("= \t\r\n");
  out->append(bytes.substr(0, run));
  if (run == std::string_view::npos) return bytes.size();
  switch (bytes[run]) {
    case '=':
      state_ = QpState::kEquals;
      break;
    case '\r':
      state_ = QpState::kCr;
      break;
    case '\n':
      out->append("\r\n");
      break;
    default:
      state_ = QpState::kSpace;
      space_.push_back(bytes[run]);
  }
  return run + 1;
}

bool TransferDecoder::FeedQpByte(char c, std::string* out) {
  const bool blank = c == ' ' || c == '\t';
  switch (state_) {
    case QpState::kText:
      return true;
    case QpState::kSpace:
      if (blank) {
        if (space_.size() <= kQpSpaceBytesMax) space_.push_back(c);
        return true;
      }
      if (c == '\r') {
        state_ = QpState::kCr;
        return true;
      }
      // RFC 2045 section 6.7 rule 3: white space at the end of a line is a transport's.
      if (c == '\n') {
        out->append("\r\n");
      } else {
        out->append(space_);
        damaged_ = damaged_ || space_.size() > kQpSpaceBytesMax;
      }
      space_.clear();
      state_ = QpState::kText;
      return c == '\n';
    case QpState::kEquals:
      if (HexValue(c) >= 0) {  // lower case is not valid, but common
        hex_ = c;
        state_ = QpState::kHex;
        return true;
      }
      [[fallthrough]];
    case QpState::kEqualsSpace:  // a soft line break that a transport padded
      if (blank) {
        if (space_.size() <= kQpSpaceBytesMax) space_.push_back(c);
        state_ = QpState::kEqualsSpace;
        return true;
      }
      if (c == '\r') {
        state_ = QpState::kSoftCr;
        return true;
      }
      if (c != '\n') break;
      space_.clear();
      state_ = QpState::kText;
      return true;
    case QpState::kHex:
      if (HexValue(c) < 0) break;
      out->push_back(static_cast<char>(HexValue(hex_) << 4 | HexValue(c)));
      state_ = QpState::kText;
      return true;
    case QpState::kCr:
    case QpState::kSoftCr:
      if (c != '\n') break;
      space_.clear();
      if (state_ == QpState::kCr) out->append("\r\n");
      state_ = QpState::kText;
      return true;
  }
  ShowQpDamage(out);
  return false;
}

// What did not mean anything is shown as it was.
void TransferDecoder::ShowQpDamage(std::string* out) {
  damaged_ = true;
  if (state_ != QpState::kCr) out->push_back('=');
  if (state_ == QpState::kHex) out->push_back(hex_);
  out->append(space_);
  space_.clear();
  if (state_ == QpState::kCr || state_ == QpState::kSoftCr) out->push_back('\r');
  state_ = QpState::kText;
}

}  // namespace postern::message
