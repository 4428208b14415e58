#include <cstring>

#include "core/base/base64.h"
#include "core/message/charset.h"
#include "core/message/decode.h"

namespace postern::message {
namespace {

// RFC 2047 section 4.2. Bytes for which nothing is defined stay as they are.
std::string DecodeQ(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out.push_back(' ');
    } else if (text[i] == '=' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 && HexValue(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexValue(text[i + 1]) << 4 | HexValue(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

struct EncodedWord {
  std::string_view charset;
  std::string bytes;
  size_t length = 0;  // in the field, from "=?" to "?="
};

// The encoded word at the front of `text`, which begins with "=?" (RFC 2047 section 2). No length is too long, and
// spaces inside are taken, as Dovecot does.
bool ReadEncodedWord(std::string_view text, EncodedWord* word) {
  const size_t charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos) return false;
  const size_t encoding_end = text.find('?', charset_end + 1);
  if (encoding_end == std::string_view::npos) return false;
  const size_t text_end = text.find('?', encoding_end + 1);
  if (text_end == std::string_view::npos || text.substr(text_end + 1, 1) != "=") return false;
  const std::string_view encoded = text.substr(encoding_end + 1, text_end - encoding_end - 1);
  switch (text[charset_end + 1] | 0x20) {
    case 'q':
      word->bytes = DecodeQ(encoded);
      break;
    case 'b': {
      word->bytes.clear();
      TransferDecoder decoder(TransferEncoding::kBase64);
      decoder.Feed(encoded, &word->bytes);
      break;
    }
    default:
      return false;
  }
  word->charset = text.substr(2, charset_end - 2);
  word->length = text_end + 2;
  return true;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// Calls `take(bytes, charset)` for each piece of `value`; "" stands for text that is not encoded.
template <class Take>
void ForEachPiece(std::string_view value, Take&& take) {
  size_t plain_from = 0;  // text not yet given
  for (size_t at = 0;;) {
    at = value.find("=?", at);
    if (at == std::string_view::npos) break;
    const std::string_view before = value.substr(plain_from, at - plain_from);
    // RFC 2047 section 6.2: white space between encoded words is not shown. Dovecot drops it before what only looks
    // like one, too.
    if (!IsBlank(before)) take(before, std::string_view());
    EncodedWord word;
    if (ReadEncodedWord(value.substr(at), &word)) {
      if (!word.bytes.empty()) take(word.bytes, word.charset);
      at += word.length;
      plain_from = at;
    } else {
      plain_from = at;
      at += 2;
    }
  }
  if (plain_from < value.size()) take(value.substr(plain_from), std::string_view());
}

}  // namespace

void AppendDecodedHeader(std::string_view value, std::string* out) {
  ForEachPiece(value, [out](std::string_view bytes, std::string_view charset) { AppendUtf8(bytes, charset, out); });
}

std::string DecodedHeader(std::string_view value) {
  std::string out;
  AppendDecodedHeader(value, &out);
  return out;
}

void AppendFoldedHeader(std::string_view value, std::string* out) {
  std::string text;
  ForEachPiece(value, [&](std::string_view bytes, std::string_view charset) {
    text.clear();
    AppendUtf8(bytes, charset, &text);
    AppendFolded(text, out);
  });
}

std::string DecodedParameter(std::string_view extended_value) {
  const size_t first = extended_value.find('\'');
  const size_t second = first == std::string_view::npos ? first : extended_value.find('\'', first + 1);
  std::string_view charset;
  std::string_view text = extended_value;
  if (second != std::string_view::npos) {
    charset = extended_value.substr(0, first);
    text = extended_value.substr(second + 1);
  }
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 && HexValue(text[i + 2]) >= 0) {
      bytes.push_back(static_cast<char>(HexValue(text[i + 1]) << 4 | HexValue(text[i + 2])));
      i += 2;
    } else {
      bytes.push_back(text[i]);
    }
  }
  std::string out;
  AppendUtf8(bytes, charset, &out);
  return out;
}

}  // namespace postern::message
