// Goal: encodings are undone as Dovecot undoes them. Method: the RFCs' examples, then what is damaged.
#include "core/message/decode.h"

#include <gtest/gtest.h>

#include "core/message/base_subject.h"
#include "core/message/charset.h"

namespace postern::message {
namespace {

struct Decoded {
  std::string text;
  bool damaged = false;
  bool operator==(const Decoded&) const = default;
};
Decoded Decode(TransferEncoding encoding, std::string_view bytes) {
  TransferDecoder decoder(encoding);
  Decoded out;
  decoder.Feed(bytes, &out.text);
  decoder.Finish(&out.text);
  out.damaged = decoder.damaged();
  return out;
}
void PrintTo(const Decoded& d, std::ostream* os) { *os << testing::PrintToString(d.text) << (d.damaged ? "!" : ""); }

TEST(Base64, IgnoresLineEndsAndStopsAtDamage) {
  const auto decode = [](std::string_view text) { return Decode(TransferEncoding::kBase64, text); };
  EXPECT_EQ(decode("aGVs\r\nbG8=\r\n"), (Decoded{"hello"}));
  EXPECT_EQ(decode("aGVsbA = \r\n ="), (Decoded{"hell"}));
  EXPECT_EQ(decode("aGVs!bG8="), (Decoded{"hel", true}));
  EXPECT_EQ(decode("aGVsbG8"), (Decoded{"hello", true}));  // padding is missing
  EXPECT_EQ(decode("aGVsbG8=aGVs"), (Decoded{"hello", true}));
  EXPECT_EQ(decode("=aGV"), (Decoded{"", true}));
}

TEST(QuotedPrintable, UndoesRfc2045Section67) {
  const auto decode = [](std::string_view text) { return Decode(TransferEncoding::kQuotedPrintable, text); };
  EXPECT_EQ(decode("Now's the time =\r\nfor all folk to come=\r\n to the aid of their country."),
            (Decoded{"Now's the time for all folk to come to the aid of their country."}));
  EXPECT_EQ(decode("a=3Db=e9 \t \r\nc"), (Decoded{"a=b\xE9\r\nc"}));
  EXPECT_EQ(decode("a= \t\r\nb"), (Decoded{"ab"}));
  EXPECT_EQ(decode("a\nb"), (Decoded{"a\r\nb"}));
  EXPECT_EQ(decode("=XY = z =4"), (Decoded{"=XY = z =4", true}));
  EXPECT_EQ(decode("a\rb"), (Decoded{"a\rb", true}));
}

TEST(TransferEncoding, MustBeOneToken) {
  EXPECT_EQ(ParseTransferEncoding(" BASE64 (comment)"), TransferEncoding::kBase64);
  EXPECT_EQ(ParseTransferEncoding("quoted-printable;"), TransferEncoding::kQuotedPrintable);
  EXPECT_EQ(ParseTransferEncoding("base64 binary"), TransferEncoding::kUnknown);
  EXPECT_EQ(ParseTransferEncoding("x-uuencode"), TransferEncoding::kUnknown);
  EXPECT_EQ(EncodingOf("Subject: x\r\n\r\n"), TransferEncoding::kIdentity);
}

// RFC 2047 section 8.
TEST(EncodedWord, ReadsTheExamplesOfRfc2047) {
  EXPECT_EQ(DecodedHeader("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>"), "Keith Moore <moore@cs.utk.edu>");
  EXPECT_EQ(DecodedHeader("=?ISO-8859-1?Q?Andr=E9?= Pirard"), "Andr\xC3\xA9 Pirard");
  EXPECT_EQ(DecodedHeader("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n"
                          " =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
            "If you can read this you understand the example.");
  EXPECT_EQ(DecodedHeader("(=?ISO-8859-1?Q?a?= b)"), "(a b)");
  EXPECT_EQ(DecodedHeader("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)"), "(ab)");
  EXPECT_EQ(DecodedHeader("(=?ISO-8859-1?Q?a_?= =?ISO-8859-2?Q?b?=)"), "(a b)");
  EXPECT_EQ(DecodedHeader("=?iso-8859-1*sv?Q?=E5?="), "\xC3\xA5");  // RFC 2231 section 5
}

TEST(EncodedWord, LeavesWhatIsNone) {
  EXPECT_EQ(DecodedHeader("=?utf-8?x?a?="), "=?utf-8?x?a?=");
  EXPECT_EQ(DecodedHeader("a =?utf-8?q?b"), "a =?utf-8?q?b");
  EXPECT_EQ(DecodedHeader("caf\xE9\xE9 x"), "caf\xEF\xBF\xBD x");
  EXPECT_EQ(DecodedHeader("=?no-such?q?abc?="), "abc");
}

TEST(Charset, ConvertsAndKnowsItsNames) {
  std::string out;
  AppendUtf8("\x1B$B%f!<%6!<\x1B(B", "ISO-2022-JP", &out);
  EXPECT_EQ(out, "\xE3\x83\xA6\xE3\x83\xBC\xE3\x82\xB6\xE3\x83\xBC");
  out.clear();
  AppendUtf8(std::string_view("a\0b\0", 4), "utf-16", &out);
  EXPECT_EQ(out, "ab");
  EXPECT_TRUE(IsKnownCharset("windows-1252"));
  EXPECT_FALSE(IsKnownCharset("x-nonsense"));
  EXPECT_FALSE(IsKnownCharset("../../etc/passwd"));
}

// RFC 5051.
TEST(Folding, TitlecasesAndDecomposes) {
  EXPECT_EQ(Folded("aZ1\xC3\xA9"), "AZ1E\xCC\x81");
  EXPECT_EQ(Folded("\xC7\x84"), "Dz\xCC\x8C");  // U+01C4, the RFC's example
  EXPECT_EQ(Folded("\xED\x95\x9C"), "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB");
  EXPECT_EQ(Folded("a\xFF\xFF"
                   "b"),
            "A\xEF\xBF\xBD"
            "B");
}

TEST(DecodedParameter, UndoesRfc2231Section4) {
  EXPECT_EQ(DecodedParameter("us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A"), "This is ***fun***");
  EXPECT_EQ(DecodedParameter("iso-8859-1''%E9"), "\xC3\xA9");
}

// RFC 5256 section 2.1 and 5.
TEST(BaseSubject, LosesWhatRepliesAdd) {
  EXPECT_EQ(BaseSubjectOf("Re: test").text, "TEST");
  EXPECT_EQ(BaseSubjectOf("RE[2]: re: [list] Fwd: a  b\r\n\tc (fwd) ").text, "A B C");
  EXPECT_EQ(BaseSubjectOf("[a] [b]").text, "[B]");
  EXPECT_EQ(BaseSubjectOf("[Fwd: x y]").text, "X Y");
  EXPECT_EQ(BaseSubjectOf("[Fwd: [a] re: x]").text, "X");
  EXPECT_EQ(BaseSubjectOf("=?utf-8?q?Re=3A?= x").text, "X");
  EXPECT_EQ(BaseSubjectOf("Reality").text, "REALITY");
  EXPECT_TRUE(BaseSubjectOf("Re: x").is_reply_or_forward);
  EXPECT_FALSE(BaseSubjectOf("x").is_reply_or_forward);
  EXPECT_EQ(BaseSubjectOf("").text, "");
}

}  // namespace
}  // namespace postern::message
