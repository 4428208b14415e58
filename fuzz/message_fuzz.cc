// Any bytes as a message, or as one of its fields: nothing crashes, and the laws of core/message hold.
//
// Input: one character chooses what is read; streams take one more for the size of pieces.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/mailbox/message_writer.h"
#include "core/message/base_subject.h"
#include "core/message/date.h"
#include "core/message/line_ends.h"
#include "fuzz/fuzz.h"
#include "tests/core/message/part_laws.h"

namespace postern::message {
namespace {

using fuzz::InPieces;
using fuzz::Require;
using fuzz::RequireEqual;

void CheckMessage(std::string_view bytes) {
  const std::string message = ToCrlf(bytes);
  const std::string broken = BrokenLaw(message);
  Require(broken.empty(), broken, message);
}

void CheckHeader(std::string_view bytes) {
  HeaderReader reader(bytes);
  std::string all;
  uint32_t lines = 0;
  for (Field field; reader.Next(&field);) {
    all += field.raw;
    lines += field.line_count;
    Require(field.name.size() <= kFieldNameBytesMax, "a name is bounded");
    Require(field.name.size() + field.middle.size() + field.value.size() <= field.raw.size(), "a field is its parts",
            field.raw);
    Require(field.name.find(':') == std::string_view::npos, "a name has no colon", field.name);
  }
  Require(bytes.starts_with(all), "fields are the header's bytes, one after the other");
  Require(all.size() + reader.empty_line_bytes() == reader.position(), "the body begins behind them");
  Require(lines + (reader.empty_line_bytes() > 0 ? 1 : 0) == reader.line_count(), "lines are counted");
  Require(reader.saw_empty_line() || reader.position() == bytes.size(), "a header without end is all of it");
  RequireEqual(HeaderBlock(bytes), bytes.substr(0, reader.position()), "both find the same header");
  // HEADER.FIELDS and HEADER.FIELDS.NOT share the fields among them.
  const std::vector<std::string> names = {"Subject", "To", "x"};
  std::string with, without;
  AppendSelectedFields(bytes.substr(0, reader.position()),
                       {.names = names, .matching = true, .add_missing_empty_line = false}, &with);
  AppendSelectedFields(bytes.substr(0, reader.position()),
                       {.names = names, .matching = false, .add_missing_empty_line = false}, &without);
  Require(with.size() + without.size() == all.size() + 2 * reader.empty_line_bytes(), "every field is selected or not",
          all);
}

// One value as each kind of structured field.
void CheckValue(std::string_view value) {
  if (const auto date = ParseDate(value)) {
    std::string text;
    AppendDate(*date, &text);
    const auto again = ParseDate(text);
    Require(again.has_value(), "a date is read again", text);
    Require(again->unix_seconds == date->unix_seconds, "a date is the same moment", text);
  }
  if (const auto date = ParseInternalDate(value)) {
    std::string text;
    AppendInternalDate(*date, &text);
    Require(ParseInternalDate(text) == date, "an INTERNALDATE comes back", text);
    Require(ToUnixSeconds(ToCivilTime(date->unix_seconds)) == date->unix_seconds, "civil time comes back", text);
  }
  for (const bool fill : {false, true}) {
    const std::vector<Address> addresses = ParseAddressList(value, {.fill_missing = fill});
    Require(addresses.size() <= 2 * value.size() + 2, "no more addresses than bytes", value);
    std::string text;
    AppendAddressList(addresses, &text);
    for (const Address& address : addresses) (void)MailboxOf(address);
    (void)ParseAddressList(text);
  }
  Require(IsValidUtf8(DecodedHeader(value)), "a decoded text is UTF-8");
  Require(IsValidUtf8(BaseSubjectOf(value).text), "a base subject is UTF-8");
  Require(IsValidUtf8(DecodedParameter(value)), "a decoded parameter is UTF-8");
  const std::string unfolded = Unfolded(value);
  Require(unfolded.size() <= value.size(), "unfolding adds nothing");
  Require(unfolded.find('\n') == std::string::npos, "what is unfolded is one line", unfolded);
  size_t at = 0;
  size_t last = 0;
  while (NextMessageId(value, &at)) {
    Require(at > last && at <= value.size(), "each message id is further on");
    last = at;
  }
  std::string folded;
  AppendFolded(DecodedHeader(value), &folded);
  Require(folded.size() <= 18 * (3 * value.size() + 3), "folding is bounded");
}

void CheckStreams(fuzz::Input& input) {
  const size_t piece_bytes = 1 + input.Choose(16), charset_index = input.Choose(10);
  const std::string_view bytes = input.Rest();
  for (const auto encoding : {TransferEncoding::kIdentity, TransferEncoding::kBase64,
                              TransferEncoding::kQuotedPrintable, TransferEncoding::kUnknown}) {
    TransferDecoder whole(encoding), cut(encoding);
    std::string whole_out, cut_out;
    whole.Feed(bytes, &whole_out);
    whole.Finish(&whole_out);
    InPieces(bytes, piece_bytes, [&](std::string_view piece) { cut.Feed(piece, &cut_out); });
    cut.Finish(&cut_out);
    RequireEqual(cut_out, whole_out, "transfer decoding doesn't mind cuts");
    Require(whole.damaged() == cut.damaged(), "damage is seen in pieces, too");
    Require(whole_out.size() <= 2 * bytes.size(), "decoding is bounded");
  }
  constexpr std::array<std::string_view, 10> kCharsets = {
      "utf-8", "us-ascii", "iso-8859-1", "iso-2022-jp", "utf-16", "utf-32", "gb18030", "big5", "utf-7", "nonsense"};
  CharsetDecoder whole(kCharsets[charset_index]), cut(kCharsets[charset_index]);
  std::string whole_out, cut_out;
  whole.Feed(bytes, &whole_out);
  whole.Finish(&whole_out);
  InPieces(bytes, piece_bytes, [&](std::string_view piece) { cut.Feed(piece, &cut_out); });
  cut.Finish(&cut_out);
  RequireEqual(cut_out, whole_out, "charsets don't mind cuts");
  Require(IsValidUtf8(whole_out), "what comes out is UTF-8");
  Require(whole_out.size() <= 3 * bytes.size() + 3, "charset decoding is bounded");
}

// Line ends on their way to the disk and back: what a client sent is what it gets, but that every LF has its CR.
void CheckLineEnds(fuzz::Input& input) {
  const size_t piece_bytes = 1 + input.Choose(16), from = input.Choose(64), length = input.Choose(256);
  const std::string_view bytes = input.Rest();
  const std::string converted = ToCrlf(bytes);
  RequireEqual(ToCrlf(converted), converted, "what has CRLF keeps it");
  Require(HasOnlyCrlf(converted), "every LF has its CR");
  CrlfReader reader(from, from + length);
  std::string out;
  InPieces(bytes, piece_bytes, [&](std::string_view piece) { reader.Feed(piece, &out); });
  RequireEqual(out, from < converted.size() ? std::string_view(converted).substr(from, length) : "",
               "a range is that of the whole");
  mailbox::MessageWriter writer({}, {}), whole({}, {});
  InPieces(bytes, piece_bytes, [&](std::string_view piece) { writer.Add(piece); });
  writer.End();
  whole.Add(bytes);
  whole.End();
  RequireEqual(*writer.bytes(), *whole.bytes(), "what is kept doesn't mind cuts");
  RequireEqual(ToCrlf(*writer.bytes()), converted, "what is kept comes back");
  Require(writer.crlf_bytes() == converted.size() && writer.file_bytes() == writer.bytes()->size(), "sizes are true");
}

void Run(fuzz::Input input) {
  switch (input.Choose(5)) {
    case 0:
      return CheckMessage(input.Rest());
    case 1:
      return CheckHeader(input.Rest());
    case 2:
      return CheckValue(input.Rest());
    case 3:
      return CheckStreams(input);
    default:
      return CheckLineEnds(input);
  }
}

}  // namespace
}  // namespace postern::message

POSTERN_FUZZ_TARGET(postern::message::Run)
