// Charsets to UTF-8 (through ICU), and the form in which texts are compared: i;unicode-casemap (RFC 5051), as Dovecot's
// SEARCH and SORT do it.
//
// Invalid bytes become one U+FFFD a run. Output is at most three times the input, for folding eighteen times.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace postern::message {

// Whether text in `charset` can be read at all: an answer to BADCHARSET. "" is US-ASCII.
bool IsKnownCharset(std::string_view charset);
// US-ASCII and UTF-8 under their names.
bool IsUtf8Charset(std::string_view charset);

// Converts a stream of text to UTF-8, in pieces of any size.
class CharsetDecoder {
 public:
  // An unknown charset is taken for UTF-8: its ASCII remains readable.
  explicit CharsetDecoder(std::string_view charset);
  ~CharsetDecoder();
  CharsetDecoder(CharsetDecoder&&) noexcept;
  CharsetDecoder& operator=(CharsetDecoder&&) noexcept;

  void Feed(std::string_view bytes, std::string* out);
  // Ends the text: a character that is cut off becomes U+FFFD.
  void Finish(std::string* out);

 private:
  struct Converter;  // ICU's, hidden
  void ConvertUtf8(std::string_view bytes, std::string* out);
  void Convert(std::string_view bytes, bool flush, std::string* out);
  void AppendUnit(uint16_t unit, std::string* out);
  void Replace(std::string* out);

  std::unique_ptr<Converter> converter_;  // nullptr: UTF-8
  std::string pending_;    // a UTF-8 sequence or a byte order mark, as far as it came: less than four bytes
  bool replaced_ = false;  // the last output was U+FFFD
};

// `bytes` in `charset` as valid UTF-8. Appends.
void AppendUtf8(std::string_view bytes, std::string_view charset, std::string* out);
// The same of bytes that are UTF-8 already, valid or not.
void AppendValidUtf8(std::string_view bytes, std::string* out);
bool IsValidUtf8(std::string_view bytes);

// RFC 5051: titlecase, then decomposed, each character by itself. Appends. ASCII is upper-cased, nothing else.
void AppendFolded(std::string_view utf8, std::string* out);
std::string Folded(std::string_view utf8);

}  // namespace postern::message
