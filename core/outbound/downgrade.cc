#include "core/outbound/downgrade.h"

#include <algorithm>
#include <optional>

#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/message/content.h"
#include "core/message/header.h"
#include "core/message/lexer.h"

namespace postern::outbound {
namespace {

constexpr size_t kBase64BytesPerLine = 57;  // 76 characters (RFC 2045 section 6.8)

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// The name of the field that `line` begins; empty: it begins none. Spaces before the colon are no part of it.
std::string_view FieldName(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  std::string_view name = line.substr(0, colon);
  while (!name.empty() && IsBlank(name.back())) name.remove_suffix(1);
  return message::IsFieldName(name) ? name : std::string_view();
}

std::string_view Value(std::string_view field) { return field.substr(field.find(':') + 1); }

}  // namespace

void Downgrader::Feed(std::string_view bytes, std::string* out) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    std::string_view piece = bytes.substr(0, end);
    bytes.remove_prefix(std::min(piece.size() + 1, bytes.size()));
    // One byte more than a piece has, so that a CR of a line end is never a piece of its own.
    while (line_.size() + piece.size() > kLineBytesMax + 1) {
      const size_t take = kLineBytesMax - std::min(line_.size(), kLineBytesMax);
      line_.append(piece.substr(0, take));
      piece.remove_prefix(take);
      std::string rest = line_.substr(kLineBytesMax);
      line_.resize(kLineBytesMax);
      Line(line_, false, out);
      line_ = std::move(rest);
    }
    line_.append(piece);
    if (end == std::string_view::npos) return;
    if (line_.ends_with('\r')) line_.pop_back();
    Line(line_, true, out);
    line_.clear();
  }
}

void Downgrader::Finish(std::string* out) {
  // The last line needs an end: DATA cannot do without.
  if (!line_.empty() || continued_) Line(line_, true, out);
  line_.clear();
  if (state_ != State::kBody) EndHeader(false, out);
  EndBase64(true, out);
}

// One line, or a piece of a long one.
void Downgrader::Line(std::string_view text, bool ends, std::string* out) {
  if (state_ != State::kBody) {
    if (ContinueField(text, ends, out)) return;
    if (continued_) {  // the rest of a long boundary line
      BodyLine(text, ends, out);
      continued_ = !ends;
      return;
    }
    EndField(out);
    if (const std::string_view name = FieldName(text); !name.empty()) {
      field_kind_ = EqualsIgnoringCase(name, "Content-Type")                ? FieldKind::kContentType
                    : EqualsIgnoringCase(name, "Content-Transfer-Encoding") ? FieldKind::kContentTransferEncoding
                                                                            : FieldKind::kOther;
      field_.assign(field_kind_ == FieldKind::kOther ? std::string_view() : text);
      if (field_kind_ != FieldKind::kContentTransferEncoding) {
        out->append(text);
        if (ends) out->push_back('\n');
      }
      continued_ = !ends;
      return;
    }
    EndHeader(text.empty(), out);
    if (text.empty()) {
      out->push_back('\n');
      return;
    }
  }
  BodyLine(text, ends, out);
  continued_ = !ends;
}

// True: `text` belongs to the field before it.
bool Downgrader::ContinueField(std::string_view text, bool ends, std::string* out) {
  if (field_kind_ == FieldKind::kNone) return false;
  if (!continued_ && (text.empty() || !IsBlank(text.front()))) return false;
  if (field_kind_ != FieldKind::kContentTransferEncoding) {
    out->append(text);
    if (ends) out->push_back('\n');
  }
  if (field_kind_ != FieldKind::kOther && field_.size() < kFieldBytesMax) {
    if (!continued_) field_ += '\n';
    field_.append(text);
  }
  continued_ = !ends;
  return true;
}

void Downgrader::EndField(std::string* out) {
  switch (field_kind_) {
    case FieldKind::kContentType:
      ReadContentType();
      break;
    case FieldKind::kContentTransferEncoding:
      ReadTransferEncoding();
      if (!encodes()) {
        out->append(field_);
        out->push_back('\n');
      }
      break;
    case FieldKind::kNone:
    case FieldKind::kOther:
      break;
  }
  field_kind_ = FieldKind::kNone;
  field_.clear();
}

void Downgrader::ReadContentType() {
  message::Lexer lexer(Value(field_));
  lexer.SkipCfws();
  std::string type;
  if (lexer.ReadContentType(&type) == message::Lexer::Status::kFailed && type.empty()) {
    type_ = Type::kOther;
    return;
  }
  const size_t slash = std::min(type.find('/'), type.size());
  const std::string_view main = std::string_view(type).substr(0, slash);
  const std::string_view sub = std::string_view(type).substr(std::min(slash + 1, type.size()));
  if (EqualsIgnoringCase(main, "text")) {
    type_ = Type::kText;
  } else if (EqualsIgnoringCase(main, "message")) {
    type_ = Type::kMessage;
    message_type_ = EqualsIgnoringCase(sub, "rfc822")   ? MessageType::kRfc822
                    : EqualsIgnoringCase(sub, "global") ? MessageType::kGlobal
                                                        : MessageType::kOther;
  } else if (EqualsIgnoringCase(main, "multipart")) {
    type_ = Type::kMultipart;
  } else {
    type_ = Type::kOther;
  }
  if (type_ != Type::kMultipart) return;
  // Several boundaries are wrong; heeding all of them finds the parts whichever is used.
  std::vector<message::Parameter> parameters;
  message::ParseParameters(&lexer, &parameters);
  for (const message::Parameter& parameter : parameters) {
    if (!EqualsIgnoringCase(parameter.name, "boundary") || parameter.value.empty()) continue;
    if (boundaries_.size() > nesting_limit_) {
      nested_too_deep_ = true;
    } else {
      boundaries_.push_back({EqualsIgnoringCase(sub, "digest"), parameter.value.substr(0, kBoundaryBytesMax)});
    }
  }
}

void Downgrader::ReadTransferEncoding() {
  message::Lexer lexer(Value(field_));
  lexer.SkipCfws();
  std::string token;
  lexer.ReadToken(&token);
  // What is unknown says nothing about the bytes; Postfix leaves such parts alone.
  if (EqualsIgnoringCase(token, "8bit")) {
    domain_ = Domain::k8Bit;
  } else if (EqualsIgnoringCase(token, "binary")) {
    domain_ = Domain::kBinary;
  } else if (EqualsIgnoringCase(token, "7bit") || EqualsIgnoringCase(token, "base64") ||
             EqualsIgnoringCase(token, "quoted-printable")) {
    domain_ = Domain::k7Bit;
  }
}

// The header block is over: its encoding is told, and what it announces begins.
void Downgrader::EndHeader(bool empty_line, std::string* out) {
  EndField(out);
  // RFC 2046 section 5.1 and 5.2.1: no other encodings than 7bit, 8bit and binary for those.
  const bool composite =
      type_ == Type::kMultipart || (type_ == Type::kMessage && message_type_ == MessageType::kRfc822);
  if (encodes()) {
    out->append("Content-Transfer-Encoding: ");
    out->append(composite ? "7bit\n" : encodes_base64() ? "base64\n" : "quoted-printable\n");
  }
  const State was = state_;
  state_ = State::kBody;
  if (!empty_line) {
    // A header that text follows at once: only in front of the message itself a line is put between.
    if (was == State::kPrimary && !line_.empty()) out->push_back('\n');
    return;
  }
  if (type_ == Type::kMessage) {
    // RFC 6532 section 3.7: message/global may be encoded; its headers are then not to be found.
    if (message_type_ == MessageType::kRfc822 || (message_type_ == MessageType::kGlobal && !encodes())) {
      EnterHeader(State::kNested, false);
    }
  } else if (type_ == Type::kMultipart) {
    type_ = Type::kOther;  // the preamble
    domain_ = Domain::k7Bit;
  }
}

void Downgrader::EnterHeader(State state, bool message_by_default) {
  state_ = state;
  type_ = message_by_default ? Type::kMessage : Type::kText;
  message_type_ = message_by_default ? MessageType::kRfc822 : MessageType::kOther;
  domain_ = Domain::k7Bit;
}

void Downgrader::BodyLine(std::string_view text, bool ends, std::string* out) {
  if (!boundaries_.empty() && !continued_ && text.size() > 2 && text.starts_with("--")) FindBoundary(text, out);
  if (!encodes()) {
    out->append(text);
    if (ends) out->push_back('\n');
  } else if (encodes_base64()) {
    Base64(text, ends, out);
  } else {
    QuotedPrintable(text, ends, out);
  }
}

void Downgrader::FindBoundary(std::string_view text, std::string* out) {
  text.remove_prefix(2);
  const auto found = std::find_if(boundaries_.rbegin(), boundaries_.rend(),
                                  [text](const Boundary& boundary) { return text.starts_with(boundary.text); });
  if (found == boundaries_.rend()) return;
  EndBase64(false, out);
  boundaries_.erase(found.base(), boundaries_.end());  // those that never ended
  const Boundary& boundary = boundaries_.back();
  if (text.substr(boundary.text.size()).starts_with("--")) {
    boundaries_.pop_back();
    type_ = Type::kOther;  // the epilogue
    domain_ = Domain::k7Bit;
  } else {
    EnterHeader(State::kMultipart, boundary.of_digest);
  }
}

// RFC 2045 section 6.7, with Postfix's line lengths.
void Downgrader::QuotedPrintable(std::string_view text, bool ends, std::string* out) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr size_t kSoftBreakBytes = 72;
  const auto encode = [this](unsigned char c) {
    encoded_ += '=';
    encoded_ += kHex[c >> 4];
    encoded_ += kHex[c & 15];
  };
  for (const char c : text) {
    if (encoded_.size() > kSoftBreakBytes) {
      out->append(encoded_);
      out->append("=\n");
      encoded_.clear();
    }
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 32 && byte != '\t') || byte == '=' || byte > 126) {
      encode(byte);
    } else {
      encoded_ += c;
    }
  }
  if (!ends) return;
  // Rule 3: white space at the end of a line would be lost.
  if (!encoded_.empty() && IsBlank(encoded_.back())) {
    const char blank = encoded_.back();
    encoded_.pop_back();
    encode(static_cast<unsigned char>(blank));
  }
  out->append(encoded_);
  out->push_back('\n');
  encoded_.clear();
}

// The line end before a boundary is the boundary's (RFC 2046 section 5.1.1), so each one waits for what follows.
void Downgrader::Base64(std::string_view text, bool ends, std::string* out) {
  base64_open_ = true;
  if (owes_line_end_) encoded_.append("\r\n");
  encoded_.append(text);
  owes_line_end_ = ends;
  size_t at = 0;
  for (; encoded_.size() - at >= kBase64BytesPerLine; at += kBase64BytesPerLine) {
    out->append(EncodeBase64(std::string_view(encoded_).substr(at, kBase64BytesPerLine)));
    out->push_back('\n');
  }
  encoded_.erase(0, at);
}

void Downgrader::EndBase64(bool with_last_line_end, std::string* out) {
  if (!base64_open_) return;
  if (with_last_line_end && owes_line_end_) encoded_.append("\r\n");
  while (!encoded_.empty()) {
    const size_t take = std::min(encoded_.size(), kBase64BytesPerLine);
    out->append(EncodeBase64(std::string_view(encoded_).substr(0, take)));
    out->push_back('\n');
    encoded_.erase(0, take);
  }
  owes_line_end_ = false;
  base64_open_ = false;
}

}  // namespace postern::outbound
