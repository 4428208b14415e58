// Goal: the laws of this room hold for any bytes. Method: RapidCheck over messages put together from the pieces that
// matter to the parsers, over trees of parts written out and read back, and over every way to cut a stream.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/message/line_ends.h"
#include "tests/core/message/part_laws.h"

namespace postern::message {
namespace {

rc::Gen<std::string> Piece() {
  return rc::gen::oneOf(rc::gen::elementOf(std::vector<std::string>{
                            "\r\n",
                            "\r\n",
                            "\r\n",
                            "\n",
                            "\r",
                            "--a",
                            "--a--",
                            "--b",
                            "--b--",
                            "--ab",
                            "--",
                            " ",
                            "\t",
                            ":",
                            ";",
                            ",",
                            "\"",
                            "\\",
                            "(",
                            ")",
                            "<",
                            ">",
                            "@",
                            ".",
                            "[",
                            "]",
                            "=",
                            "?",
                            "%",
                            "'",
                            "*",
                            "=?utf-8?q?=C3=A9?=",
                            "=?utf-16?b?RAB?=",
                            "=?iso-2022-jp?B?GyRCJWY?=",
                            "=\r\n",
                            "=3D",
                            "QUJD",
                            std::string(1, '\0'),
                            "\xC3\xA9",
                            "\xFF",
                            "Content-Type: multipart/mixed; boundary=a\r\n",
                            "Content-Type: multipart/digest; boundary=\"b\"\r\n",
                            "Content-Type: message/rfc822\r\n",
                            "Content-Type: text/plain; charset=iso-8859-1; name*0*=a''b; name*1=c\r\n",
                            "MIME-Version: 1.0\r\n",
                            "Content-Transfer-Encoding: base64\r\n",
                            "Content-Transfer-Encoding: quoted-printable\r\n",
                            "To: a b <c@d>, g: e@f;\r\n",
                            "Subject: [x] Re: y (fwd)\r\n",
                            "Content-Disposition: attachment; filename=x\r\n",
                            "References: <a@b> <\"c\"@d>\r\n",
                            "Date: Mon, 1 Jan 2024 00:00:00 GMT\r\n"}),
                        rc::gen::container<std::string>(rc::gen::arbitrary<char>()));
}

std::string Garbage() {
  std::string message;
  for (const std::string& piece : *rc::gen::container<std::vector<std::string>>(Piece())) message += piece;
  return message;
}

RC_GTEST_PROP(MimeLaws, HoldForGarbage, ()) {
  const std::string message = ToCrlf(Garbage());
  const std::string broken = BrokenLaw(message);
  RC_LOG() << testing::PrintToString(message);
  RC_ASSERT(broken == "");
}

RC_GTEST_PROP(MimeLaws, HoldForBytesWithoutCr, ()) {
  const std::string message = Garbage();  // the caller forgot to convert: wrong sizes, but nothing worse
  RC_ASSERT(BrokenLaw(message) == "");
}

// A tree as a sender writes it. Returns what BODY of the part must be.
struct Written {
  std::string bytes;
  std::vector<std::string> leaves;  // bodies, in order
};
Written WriteTree(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 3 ? 1 : 4);
  Written part;
  if (kind <= 1) {
    std::string body = *rc::gen::container<std::string>(rc::gen::element('a', '-', ' ', '\t'));
    if (*rc::gen::arbitrary<bool>()) body += "\r\nmore\r\n";
    if (body.starts_with("--")) body = "x" + body;
    part.bytes = "Content-Type: text/plain\r\n\r\n" + body;
    part.leaves.push_back(body);
    return part;
  }
  if (kind == 2) {
    const Written inside = WriteTree(depth + 1);
    part.bytes = "Content-Type: message/rfc822\r\n\r\nSubject: inside\r\nMIME-Version: 1.0\r\n" + inside.bytes;
    part.leaves = inside.leaves;
    return part;
  }
  const std::string boundary = "boundary" + std::to_string(depth);
  part.bytes = "Content-Type: multipart/mixed;\r\n boundary=\"" + boundary + "\"\r\n\r\npreamble";
  const int count = *rc::gen::inRange(1, 4);
  for (int i = 0; i < count; ++i) {
    const Written child = WriteTree(depth + 1);
    part.bytes += "\r\n--" + boundary + "\r\n" + child.bytes;
    part.leaves.insert(part.leaves.end(), child.leaves.begin(), child.leaves.end());
  }
  part.bytes += "\r\n--" + boundary + "--\r\nepilogue";
  return part;
}

void CollectLeaves(std::string_view message, const Part& part, std::vector<std::string>* leaves) {
  if (part.children.empty()) leaves->emplace_back(message.substr(part.body.begin, part.body.size()));
  for (const Part& child : part.children) CollectLeaves(message, child, leaves);
}

RC_GTEST_PROP(MimeLaws, FindsThePartsThatWereWritten, ()) {
  const Written written = WriteTree(0);
  std::vector<std::string> leaves;
  CollectLeaves(written.bytes, ParseMessage(written.bytes), &leaves);
  RC_ASSERT(leaves == written.leaves);
}

// ---- streams: how the bytes are cut does not matter -----------------------------------------------------------------

template <class Feed>
void FeedInPieces(std::string_view bytes, Feed&& feed) {
  while (!bytes.empty()) {
    const auto piece = *rc::gen::inRange<size_t>(1, bytes.size() + 1);
    feed(bytes.substr(0, piece));
    bytes.remove_prefix(piece);
  }
}

RC_GTEST_PROP(StreamLaws, TransferDecoding, ()) {
  const std::string bytes = Garbage();
  for (const auto encoding : {TransferEncoding::kBase64, TransferEncoding::kQuotedPrintable}) {
    TransferDecoder whole(encoding), cut(encoding);
    std::string whole_out, cut_out;
    whole.Feed(bytes, &whole_out);
    whole.Finish(&whole_out);
    FeedInPieces(bytes, [&](std::string_view piece) { cut.Feed(piece, &cut_out); });
    cut.Finish(&cut_out);
    RC_ASSERT(whole_out == cut_out);
    RC_ASSERT(whole.damaged() == cut.damaged());
    RC_ASSERT(whole_out.size() <= 2 * bytes.size());
  }
}

RC_GTEST_PROP(StreamLaws, CharsetDecoding, ()) {
  const std::string bytes = Garbage();
  const auto charset = *rc::gen::elementOf(
      std::vector<std::string>{"utf-8", "iso-8859-1", "iso-2022-jp", "utf-16", "gb18030", "big5", "nonsense", "utf-7"});
  CharsetDecoder whole(charset), cut(charset);
  std::string whole_out, cut_out;
  whole.Feed(bytes, &whole_out);
  whole.Finish(&whole_out);
  FeedInPieces(bytes, [&](std::string_view piece) { cut.Feed(piece, &cut_out); });
  cut.Finish(&cut_out);
  RC_LOG() << charset << " " << testing::PrintToString(bytes);
  RC_ASSERT(whole_out == cut_out);
  RC_ASSERT(IsValidUtf8(whole_out));
  RC_ASSERT(whole_out.size() <= 3 * bytes.size() + 3);
  RC_ASSERT(IsValidUtf8(Folded(whole_out)));
}

RC_GTEST_PROP(StreamLaws, LineEnds, ()) {
  const std::string bytes = Garbage();
  const std::string converted = ToCrlf(bytes);
  RC_ASSERT(ToCrlf(converted) == converted);
  RC_ASSERT(HasOnlyCrlf(converted));
  CrlfCounter counter;
  FeedInPieces(bytes, [&](std::string_view piece) { counter.Feed(piece); });
  RC_ASSERT(counter.crlf_bytes() == converted.size());
  const auto begin = *rc::gen::inRange<uint64_t>(0, converted.size() + 2);
  const auto length = *rc::gen::inRange<uint64_t>(0, converted.size() + 2);
  const std::string expected = begin < converted.size() ? converted.substr(begin, length) : "";
  CrlfReader reader(begin, begin + length);
  std::string out;
  FeedInPieces(bytes, [&](std::string_view piece) { reader.Feed(piece, &out); });
  RC_ASSERT(out == expected);
  // Where it stopped another reader can go on.
  const CrlfReader::Point point = reader.resume();
  CrlfReader rest(point, point.crlf_bytes, UINT64_MAX);
  std::string rest_out;
  rest.Feed(std::string_view(bytes).substr(point.file_bytes), &rest_out);
  RC_ASSERT(rest_out == converted.substr(point.crlf_bytes));
}

// ---- round trips ----------------------------------------------------------------------------------------------------

RC_GTEST_PROP(DateLaws, WhatIsWrittenIsRead, ()) {
  const DateTime when = {.unix_seconds = *rc::gen::inRange<int64_t>(-2'208'900'000, 253'402'000'000),
                         .zone_minutes = *rc::gen::inRange<int32_t>(-14 * 60, 14 * 60 + 1)};
  RC_PRE(when.local_seconds() >= -2'208'988'800);  // 1900: RFC 5322 section 3.3 begins there
  std::string date, internal;
  AppendDate(when, &date);
  AppendInternalDate(when, &internal);
  RC_ASSERT(ParseDate(date) == when);
  RC_ASSERT(ParseInternalDate(internal) == when);
  RC_ASSERT(ToUnixSeconds(ToCivilTime(when.unix_seconds)) == when.unix_seconds);
}

RC_GTEST_PROP(AddressLaws, TheNormalFormIsReadAsTheSame, ()) {
  const auto word =
      rc::gen::container<std::string>(rc::gen::element('a', '.', ' ', '"', '\\', '(', '@', ',', '<', ';'));
  std::vector<Address> addresses;
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    Address address = {.name = *word, .mailbox = *word, .host = "example.test"};
    if (address.name->empty()) address.name.reset();
    if (address.mailbox->empty()) address.mailbox = "m";
    addresses.push_back(address);
  }
  std::string text;
  AppendAddressList(addresses, &text);
  RC_LOG() << text;
  RC_ASSERT(ParseAddressList(text) == addresses);
}

}  // namespace
}  // namespace postern::message
