#include "core/imap/fetch_body.h"

#include <algorithm>
#include <utility>

#include "core/imap/response.h"
#include "core/message/decode.h"
#include "core/message/envelope.h"
#include "core/message/header.h"
#include "core/message/structure.h"

namespace postern::imap {
namespace {

// Below this, copying is cheaper than a piece of its own.
constexpr size_t kCopiedBytesMax = 16384;

std::string_view Cut(std::string_view bytes, const std::optional<Partial>& partial) {
  if (!partial) return bytes;
  const uint64_t offset = std::min<uint64_t>(partial->offset_bytes, bytes.size());
  return bytes.substr(offset, partial->length_bytes);
}

void AppendLiteral(std::string_view bytes, std::string* out) {
  AppendLiteralHeader(bytes.size(), out);
  const size_t begin = out->size();
  out->append(bytes);
  MaskNuls(begin, out);
}

std::string_view BytesOf(const message::Range& range, std::string_view message) {
  const uint64_t begin = std::min<uint64_t>(range.begin, message.size());
  return message.substr(begin, std::min<uint64_t>(range.end, message.size()) - begin);
}

message::SectionText SectionTextOf(Section::Text text) {
  switch (text) {
    case Section::Text::kNone:
      return message::SectionText::kAll;
    case Section::Text::kHeader:
    case Section::Text::kHeaderFields:
    case Section::Text::kHeaderFieldsNot:
      return message::SectionText::kHeader;
    case Section::Text::kText:
      return message::SectionText::kText;
    case Section::Text::kMime:
      return message::SectionText::kMime;
  }
  return message::SectionText::kAll;
}

void AppendSectionBytes(const FetchItem& item, const FetchSource& source, FetchOutput* out) {
  const Section& section = item.section;
  std::string_view bytes;
  if (section.part.empty() && section.text != Section::Text::kNone && section.text != Section::Text::kText) {
    bytes = source.header;
  } else if (section.part.empty() && section.text == Section::Text::kNone) {
    const bool shares = !item.partial && source.text->bytes().size() > kCopiedBytesMax;
    if (shares && source.text->bytes().find('\0') == std::string_view::npos) {
      AppendLiteralHeader(source.text->bytes().size(), &out->text());
      return out->Append(source.text->shared_bytes());
    }
    bytes = source.text->bytes();
  } else if (section.part.empty()) {
    bytes = source.text->bytes().substr(source.header.size());
  } else if (const auto range =
                 message::FindSection(source.text->structure(), section.part, SectionTextOf(section.text))) {
    bytes = BytesOf(*range, source.text->bytes());
  } else {
    // RFC 9051 section 6.4.5 leaves open what a section is that does not exist; Dovecot says an empty one.
    return AppendLiteral("", &out->text());
  }
  if (section.text != Section::Text::kHeaderFields && section.text != Section::Text::kHeaderFieldsNot) {
    return AppendLiteral(Cut(bytes, item.partial), &out->text());
  }
  const bool matching = section.text == Section::Text::kHeaderFields;
  std::string fields;
  message::AppendSelectedFields(
      bytes,
      {.names = section.header_names, .matching = matching, .add_missing_empty_line = matching && section.part.empty()},
      &fields);
  AppendLiteral(Cut(fields, item.partial), &out->text());
}

bool AppendBinaryItem(const FetchItem& item, const FetchSource& source, FetchOutput* out) {
  const message::Part* part = message::FindPart(source.text->structure(), item.section.part);
  std::string decoded;
  if (part != nullptr) {
    const auto result = message::AppendBinary(source.text->bytes(), *part, item.section.part.empty(), &decoded);
    if (result != message::BinaryResult::kOk) return false;
  }
  AppendFetchItemName(item, &out->text());
  out->text() += ' ';
  if (item.kind == FetchItem::Kind::kBinarySize) {
    AppendNumber(decoded.size(), &out->text());
    return true;
  }
  const std::string_view bytes = Cut(decoded, item.partial);
  // RFC 3516 section 4.4: only a literal8 may hold NUL.
  if (bytes.find('\0') != std::string_view::npos) {
    AppendLiteral8Header(bytes.size(), &out->text());
  } else {
    AppendLiteralHeader(bytes.size(), &out->text());
  }
  out->text().append(bytes);
  return true;
}

}  // namespace

void MaskNuls(size_t begin, std::string* text) {
  for (size_t at = text->find('\0', begin); at != std::string::npos; at = text->find('\0', at + 1))
    (*text)[at] = '\x80';
}

Need NeedOf(const FetchItem& item) {
  switch (item.kind) {
    case FetchItem::Kind::kFlags:
    case FetchItem::Kind::kInternalDate:
    case FetchItem::Kind::kUid:
    case FetchItem::Kind::kModSeq:
    case FetchItem::Kind::kRfc822Size:
    case FetchItem::Kind::kSaveDate:
    case FetchItem::Kind::kEmailId:
    case FetchItem::Kind::kThreadId:
    case FetchItem::Kind::kPreview:
      return Need::kNothing;
    case FetchItem::Kind::kEnvelope:
    case FetchItem::Kind::kRfc822Header:
      return Need::kHeader;
    case FetchItem::Kind::kRfc822:
    case FetchItem::Kind::kRfc822Text:
      return Need::kBytes;
    case FetchItem::Kind::kBody:
    case FetchItem::Kind::kBodyStructure:
    case FetchItem::Kind::kBinary:
    case FetchItem::Kind::kBinarySize:
      return Need::kWhole;
    case FetchItem::Kind::kBodySection:
      if (!item.section.part.empty()) return Need::kWhole;
      if (item.section.text == Section::Text::kNone || item.section.text == Section::Text::kText) return Need::kBytes;
      return Need::kHeader;
  }
  return Need::kWhole;
}

bool SetsSeen(const FetchItem& item) {
  switch (item.kind) {
    case FetchItem::Kind::kRfc822:
    case FetchItem::Kind::kRfc822Text:
      return true;
    case FetchItem::Kind::kBodySection:
    case FetchItem::Kind::kBinary:
      return !item.peek;
    default:
      return false;
  }
}

void FetchOutput::Append(SharedBytes bytes) {
  chain_bytes_ += text_.size() + bytes->size();
  chain_.Append(std::exchange(text_, {}));
  chain_.Append(std::move(bytes));
}

Chain FetchOutput::Take() {
  chain_.Append(std::exchange(text_, {}));
  chain_bytes_ = 0;
  return std::exchange(chain_, {});
}

bool AppendFetchItem(const FetchItem& item, const FetchSource& source, FetchOutput* out) {
  if (item.kind == FetchItem::Kind::kBinary || item.kind == FetchItem::Kind::kBinarySize) {
    return AppendBinaryItem(item, source, out);
  }
  AppendFetchItemName(item, &out->text());
  out->text() += ' ';
  switch (item.kind) {
    case FetchItem::Kind::kEnvelope:
      message::AppendEnvelope(message::ParseEnvelope(source.header), &out->text());
      break;
    case FetchItem::Kind::kBody:
    case FetchItem::Kind::kBodyStructure:
      message::AppendBodyStructure(source.text->structure(), item.kind == FetchItem::Kind::kBodyStructure,
                                   &out->text());
      break;
    case FetchItem::Kind::kRfc822Header:
      AppendLiteral(source.header, &out->text());
      break;
    case FetchItem::Kind::kRfc822:
    case FetchItem::Kind::kRfc822Text: {
      FetchItem same = item;
      same.section.text = item.kind == FetchItem::Kind::kRfc822 ? Section::Text::kNone : Section::Text::kText;
      AppendSectionBytes(same, source, out);
      break;
    }
    default:
      AppendSectionBytes(item, source, out);
  }
  return true;
}

message::Range StreamRange(const FetchItem& item, uint64_t header_bytes, uint64_t message_bytes) {
  const bool text = item.kind == FetchItem::Kind::kRfc822Text ||
                    (item.kind == FetchItem::Kind::kBodySection && item.section.text == Section::Text::kText);
  message::Range range{.begin = text ? std::min(header_bytes, message_bytes) : 0, .end = message_bytes};
  if (item.partial) {
    range.begin += std::min(item.partial->offset_bytes, range.size());
    range.end = range.begin + std::min(item.partial->length_bytes, range.size());
  }
  return range;
}

}  // namespace postern::imap
