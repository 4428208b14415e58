#include "core/message/charset.h"

#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <array>

#include "core/base/ascii.h"
#include "core/message/header.h"

namespace postern::message {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// ICU would look for files of names it does not know; those must not reach it.
bool IsPlainName(std::string_view name) {
  return name.size() < UCNV_MAX_CONVERTER_NAME_LENGTH && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  std::string_view("-_.:()+").find(c) != std::string_view::npos;
         });
}

bool IsIcuCharset(const std::string& name) {
  if (name.empty() || !IsPlainName(name)) return false;
  UErrorCode error = U_ZERO_ERROR;
  return ucnv_countAliases(name.c_str(), &error) > 0 && U_SUCCESS(error);
}

// RFC 2231 section 5: a language may follow the charset of an encoded word.
std::string WithoutLanguage(std::string_view charset) { return std::string(charset.substr(0, charset.find('*'))); }

void AppendCodePoint(char32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xC0 | c >> 6));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | c >> 12));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | c >> 18));
    out->push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

// The length of the well-formed sequence at the front of `text`; 0: ill-formed there; -1: it may go on behind the end.
int SequenceBytes(std::string_view text, char32_t* c) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  int length = 0;
  if (first < 0x80) {
    *c = first;
    return 1;
  }
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
    *c = first & 0x1F;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    *c = first & 0x0F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    *c = first & 0x07;
  } else {
    return 0;
  }
  for (int i = 1; i < length; ++i) {
    if (static_cast<size_t>(i) == text.size()) return -1;
    const unsigned char next = byte(static_cast<size_t>(i));
    if ((next & 0xC0) != 0x80) return 0;
    // RFC 3629 section 3: no overlong forms, no surrogates, nothing above U+10FFFF.
    if (i == 1 && ((first == 0xE0 && next < 0xA0) || (first == 0xED && next > 0x9F) || (first == 0xF0 && next < 0x90) ||
                   (first == 0xF4 && next > 0x8F))) {
      return 0;
    }
    *c = *c << 6 | (next & 0x3F);
  }
  return length;
}

size_t AsciiRun(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

void AppendFoldedCharacter(char32_t c, std::string* out) {
  // RFC 5051 section 2: titlecase of one character is one character; then all decompositions, also those of
  // compatibility. Characters are not reordered: each is folded by itself.
  const UChar32 title = u_totitle(static_cast<UChar32>(c));
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* const nfkd = unorm2_getNFKDInstance(&error);
  std::array<UChar, 40> units;  // the longest decomposition has 18
  const int32_t count =
      U_SUCCESS(error) ? unorm2_getDecomposition(nfkd, title, units.data(), units.size(), &error) : -1;
  if (count < 0 || U_FAILURE(error)) {
    AppendCodePoint(static_cast<char32_t>(title), out);
    return;
  }
  for (int32_t i = 0; i < count;) {
    UChar32 piece = 0;
    U16_NEXT(units.data(), i, count, piece);
    AppendCodePoint(static_cast<char32_t>(piece), out);
  }
}

}  // namespace

struct CharsetDecoder::Converter {
  UConverter* icu = nullptr;
  bool wants_byte_order = false;  // UTF-16: `icu` comes with the first two bytes
  UChar lead = 0;                 // a surrogate that waits for its other half
  ~Converter() { ucnv_close(icu); }

  bool Open(const char* name) {
    UErrorCode error = U_ZERO_ERROR;
    icu = ucnv_open(name, &error);
    // Errors are seen here, so that a run of them becomes one replacement.
    if (icu) ucnv_setToUCallBack(icu, UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &error);
    return icu && U_SUCCESS(error);
  }
};

bool IsUtf8Charset(std::string_view charset) {
  for (std::string_view name : {"us-ascii", "ascii", "utf-8", "utf8"}) {
    if (EqualsIgnoringCase(charset, name)) return true;
  }
  return false;
}

bool IsKnownCharset(std::string_view charset) {
  return charset.empty() || IsUtf8Charset(charset) || IsIcuCharset(std::string(charset));
}

CharsetDecoder::CharsetDecoder(std::string_view charset) {
  const std::string name = WithoutLanguage(charset);
  if (IsUtf8Charset(name) || !IsIcuCharset(name)) return;
  converter_ = std::make_unique<Converter>();
  converter_->wants_byte_order = EqualsIgnoringCase(name, "utf-16") || EqualsIgnoringCase(name, "utf16");
  if (!converter_->wants_byte_order && !converter_->Open(name.c_str())) converter_.reset();
}

CharsetDecoder::~CharsetDecoder() = default;
CharsetDecoder::CharsetDecoder(CharsetDecoder&&) noexcept = default;
CharsetDecoder& CharsetDecoder::operator=(CharsetDecoder&&) noexcept = default;

void CharsetDecoder::Feed(std::string_view bytes, std::string* out) {
  if (converter_ && converter_->wants_byte_order) {
    pending_.append(bytes);
    if (pending_.size() < 2) return;
    // RFC 2781 section 4.3 has big-endian where there is no mark; what is sent without one is little-endian.
    const bool marked = pending_.starts_with("\xFE\xFF") || pending_.starts_with("\xFF\xFE");
    converter_->wants_byte_order = false;
    if (!converter_->Open(marked ? "UTF-16" : "UTF-16LE")) converter_.reset();
    const std::string first = std::move(pending_);
    pending_.clear();
    Feed(first, out);
  } else if (converter_) {
    Convert(bytes, false, out);
  } else if (pending_.empty()) {
    ConvertUtf8(bytes, out);
  } else {
    // At most three bytes wait; one more at a time completes them or shows that they never will be.
    while (!pending_.empty() && !bytes.empty()) {
      std::string joined = std::move(pending_);
      pending_.clear();
      joined.push_back(bytes.front());
      bytes.remove_prefix(1);
      ConvertUtf8(joined, out);
    }
    ConvertUtf8(bytes, out);
  }
}

void CharsetDecoder::Finish(std::string* out) {
  if (converter_ && !converter_->wants_byte_order) {
    Convert({}, true, out);
    return;
  }
  if (!pending_.empty()) Replace(out);
  pending_.clear();
}

void CharsetDecoder::Replace(std::string* out) {
  if (!replaced_) out->append(kReplacement);
  replaced_ = true;
}

void CharsetDecoder::ConvertUtf8(std::string_view bytes, std::string* out) {
  while (!bytes.empty()) {
    const size_t ascii = AsciiRun(bytes);
    if (ascii > 0) {
      out->append(bytes.substr(0, ascii));
      bytes.remove_prefix(ascii);
      replaced_ = false;
      continue;
    }
    char32_t c = 0;
    const int length = SequenceBytes(bytes, &c);
    if (length > 0) {
      out->append(bytes.substr(0, static_cast<size_t>(length)));
      bytes.remove_prefix(static_cast<size_t>(length));
      replaced_ = false;
    } else if (length == 0) {
      Replace(out);
      bytes.remove_prefix(1);
    } else {
      pending_ = bytes;
      return;
    }
  }
}

void CharsetDecoder::Convert(std::string_view bytes, bool flush, std::string* out) {
  const char* source = bytes.data();
  const char* const source_end = source + bytes.size();
  // After an error ICU may hold bytes that it will look at again, so that it is asked once more also without new ones;
  // `stalled` turns without progress are what ends this, whatever ICU thinks.
  for (int stalled = 0; stalled < 8;) {
    std::array<UChar, 512> units;
    UChar* target = units.data();
    const char* const before = source;
    UErrorCode error = U_ZERO_ERROR;
    ucnv_toUnicode(converter_->icu, &target, units.data() + units.size(), &source, source_end, nullptr, flush, &error);
    for (const UChar* unit = units.data(); unit != target; ++unit) AppendUnit(*unit, out);
    if (U_SUCCESS(error)) return;
    const bool progress = source != before || target != units.data();
    stalled = progress ? 0 : stalled + 1;
    if (error == U_BUFFER_OVERFLOW_ERROR) continue;
    Replace(out);
    converter_->lead = 0;
    if (error == U_TRUNCATED_CHAR_FOUND) return;
  }
}

void CharsetDecoder::AppendUnit(uint16_t unit, std::string* out) {
  if (U16_IS_LEAD(unit)) {
    converter_->lead = unit;
    return;
  }
  if (U16_IS_TRAIL(unit)) {
    if (converter_->lead == 0) return Replace(out);
    AppendCodePoint(static_cast<char32_t>(U16_GET_SUPPLEMENTARY(converter_->lead, unit)), out);
  } else {
    AppendCodePoint(unit, out);
  }
  converter_->lead = 0;
  replaced_ = false;
}

void AppendUtf8(std::string_view bytes, std::string_view charset, std::string* out) {
  CharsetDecoder decoder(charset);
  decoder.Feed(bytes, out);
  decoder.Finish(out);
}

void AppendValidUtf8(std::string_view bytes, std::string* out) { AppendUtf8(bytes, "utf-8", out); }

bool IsValidUtf8(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    char32_t c = 0;
    const int length = SequenceBytes(bytes.substr(at), &c);
    if (length <= 0) return false;
    at += static_cast<size_t>(length);
  }
  return true;
}

void AppendFolded(std::string_view utf8, std::string* out) {
  while (!utf8.empty()) {
    const size_t ascii = AsciiRun(utf8);
    const size_t begin = out->size();
    out->append(utf8.substr(0, ascii));
    for (size_t i = begin; i < out->size(); ++i) (*out)[i] = UpperAscii((*out)[i]);
    utf8.remove_prefix(ascii);
    if (utf8.empty()) return;
    char32_t c = 0;
    const int length = SequenceBytes(utf8, &c);
    if (length > 0) {
      AppendFoldedCharacter(c, out);
    } else if (!out->ends_with(kReplacement)) {
      out->append(kReplacement);
    }
    utf8.remove_prefix(length > 0 ? static_cast<size_t>(length) : 1);
  }
}

std::string Folded(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  AppendFolded(utf8, &out);
  return out;
}

}  // namespace postern::message
