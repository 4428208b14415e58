// The header block of a message or of a MIME part, cut into fields (RFC 5322 section 2.2, RFC 2045 section 3).
//
// Views into the caller's bytes; nothing is copied. Tolerant as Dovecot is: a line without a colon is a field with an
// empty name; the header ends at the first empty line or at the end of the bytes; spaces before the colon are no part
// of the name. A name longer than kFieldNameBytesMax is none. Lines may end with LF or CRLF.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace postern::message {

// RFC 5322 section 2.1.1 allows lines of 998; longer names are garbage.
inline constexpr size_t kFieldNameBytesMax = 1000;

// One field, with its continuation lines.
struct Field {
  std::string_view raw;     // all lines, with their line ends
  std::string_view name;    // as written, without spaces before the colon; "" where there was no colon
  std::string_view middle;  // from the end of the name to the value: the colon and at most one space or tab
  std::string_view value;   // the rest: with its folds, without the last line end
  uint32_t line_count = 0;  // line ends in `raw`
  bool ended = true;        // the last line had a line end

  bool Is(std::string_view other_name) const;  // without regard to case
};

// Reads fields one after another.
//   HeaderReader reader(bytes);
//   for (Field field; reader.Next(&field);) ...
//   reader.position() is then where the body begins.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view bytes) : bytes_(bytes) {}
  // False at the end of the header. The empty line is then consumed, too.
  bool Next(Field* field);
  size_t position() const { return at_; }         // bytes read so far
  bool saw_empty_line() const { return ended_; }  // the header was ended by an empty line, not by the end of bytes
  size_t empty_line_bytes() const { return empty_line_bytes_; }
  uint32_t line_count() const { return line_count_; }  // line ends read so far

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  size_t empty_line_bytes_ = 0;
  uint32_t line_count_ = 0;
  bool ended_ = false;
};

// The header block at the front of `message`, with the empty line that ends it; all of it when there is none.
std::string_view HeaderBlock(std::string_view message);

// The value of a field as one line: line ends removed (RFC 5322 section 2.2.3), white space as it was. Leading white
// space is skipped. Appends.
void AppendUnfolded(std::string_view value, std::string* out);
std::string Unfolded(std::string_view value);
// The value without leading white space; where there is nothing else, without its first.
std::string_view SkipInitialSpace(std::string_view value);

// The value of the first field called `name`, as Field::value; nullptr data (not just empty) when there is none.
std::string_view FirstValue(std::string_view header, std::string_view name);

// RFC 9051 section 6.4.5: what HEADER.FIELDS (`matching`) or HEADER.FIELDS.NOT gives of `header`: the fields whose name
// is among `names`, or is not, in order and unchanged, and the empty line. Dovecot ends a header that had no empty line
// with one for HEADER.FIELDS of a message, but not for HEADER.FIELDS.NOT, nor inside a part.
struct FieldSelection {
  std::span<const std::string> names;  // as the client wrote them
  bool matching = true;
  bool add_missing_empty_line = true;
};
void AppendSelectedFields(std::string_view header, const FieldSelection& selection, std::string* out);

// RFC 5322 section 3.6.8: printable ASCII without ":".
bool IsFieldName(std::string_view name);

}  // namespace postern::message
