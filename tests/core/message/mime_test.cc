// Goal: the tree of parts, its ranges, and what IMAP says of it. Method: RFC 2046's and RFC 9051's examples, then the
// shapes in which real mail is broken, with Dovecot's answers.
#include "core/message/mime.h"

#include <gtest/gtest.h>

#include "core/message/decode.h"
#include "core/message/structure.h"

namespace postern::message {
namespace {

std::string Structure(std::string_view message, bool extended = false) {
  std::string out;
  AppendBodyStructure(ParseMessage(message), extended, &out);
  return out;
}

std::string Section(std::string_view message, std::vector<uint32_t> path, SectionText text = SectionText::kAll) {
  const Part root = ParseMessage(message);
  const auto range = FindSection(root, path, text);
  if (!range) return "(none)";
  return std::string(message.substr(range->begin, range->size()));
}

// RFC 2046 section 5.1.1: the preamble, the epilogue and the line ends before boundaries belong to no part.
constexpr std::string_view kSimple =
    "From: Nathaniel Borenstein <nsb@bellcore.com>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-type: multipart/mixed; boundary=\"simple boundary\"\r\n"
    "\r\n"
    "This is the preamble.\r\n"
    "\r\n"
    "--simple boundary\r\n"
    "\r\n"
    "This is implicitly typed plain US-ASCII text.\r\n"
    "It does NOT end with a linebreak.\r\n"
    "--simple boundary\r\n"
    "Content-type: text/plain; charset=us-ascii\r\n"
    "\r\n"
    "This is explicitly typed plain US-ASCII text.\r\n"
    "It DOES end with a linebreak.\r\n"
    "\r\n"
    "--simple boundary--\r\n"
    "\r\n"
    "This is the epilogue.\r\n";

TEST(Mime, CutsTheExampleOfRfc2046) {
  EXPECT_EQ(Section(kSimple, {1}),
            "This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.");
  EXPECT_EQ(Section(kSimple, {2}),
            "This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n");
  EXPECT_EQ(Section(kSimple, {2}, SectionText::kMime), "Content-type: text/plain; charset=us-ascii\r\n\r\n");
  EXPECT_EQ(Section(kSimple, {1}, SectionText::kMime), "\r\n");
  EXPECT_EQ(Section(kSimple, {3}), "(none)");
  EXPECT_EQ(Section(kSimple, {}), kSimple);
  EXPECT_EQ(Structure(kSimple),
            "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 80 1)"
            "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 78 2) \"mixed\")");
}

TEST(Mime, AMessageWithoutMimeIsOneTextPart) {
  constexpr std::string_view message = "Content-Description: x\r\nSubject: a\r\n\r\nbody\r\n";
  EXPECT_EQ(Structure(message, true),
            "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 6 1 NIL NIL NIL NIL)");
  EXPECT_EQ(Section(message, {1}), "body\r\n");
  EXPECT_EQ(Section(message, {1}, SectionText::kMime), "Content-Description: x\r\nSubject: a\r\n\r\n");
  EXPECT_EQ(Section(message, {1, 1}), "(none)");
  EXPECT_EQ(Section("", {1}), "");
}

// RFC 9051 section 6.4.5: parts of messages within messages.
TEST(Mime, NumbersPartsInsideMessages) {
  constexpr std::string_view message =
      "Content-Type: multipart/mixed; boundary=o\r\n\r\n"
      "--o\r\n\r\nfirst\r\n"
      "--o\r\nContent-Type: message/rfc822\r\n\r\n"
      "Subject: in\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"
      "--i\r\n\r\none\r\n--i\r\nContent-Type: text/html\r\n\r\ntwo\r\n--i--\r\n"
      "--o--\r\n";
  EXPECT_EQ(Section(message, {1}), "first");
  EXPECT_EQ(Section(message, {2, 1}), "one");
  EXPECT_EQ(Section(message, {2, 2}), "two");
  EXPECT_EQ(Section(message, {2, 2}, SectionText::kMime), "Content-Type: text/html\r\n\r\n");
  EXPECT_EQ(Section(message, {2}, SectionText::kHeader),
            "Subject: in\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n");
  EXPECT_EQ(Section(message, {2}, SectionText::kText).substr(0, 5), "--i\r\n");
  EXPECT_EQ(Section(message, {1}, SectionText::kHeader), "(none)");
  EXPECT_EQ(Section(message, {2, 1, 1}), "one");  // a part without parts is its own first, once
  EXPECT_EQ(Section(message, {2, 1, 2}), "(none)");
  EXPECT_EQ(Section(message, {2, 1, 1, 1}), "(none)");
  EXPECT_EQ(Section(message, {}, SectionText::kMime), "(none)");
}

// RFC 2046 section 5.1.5
TEST(Mime, PartsOfADigestAreMessages) {
  constexpr std::string_view message =
      "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: a\r\n\r\nx\r\n--d--\r\n";
  EXPECT_EQ(Structure(message),
            "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 (NIL \"a\" NIL NIL NIL NIL NIL NIL NIL NIL) "
            "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) 2) \"digest\")");
}

// The line end before a boundary line belongs to the boundary, also where it ended the header.
TEST(Mime, ABoundaryLineCutsAHeaderOff) {
  constexpr std::string_view message =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n--b\r\n\r\n--b--\r\n";
  EXPECT_EQ(Section(message, {1}, SectionText::kMime), "Content-Type: text/html");
  EXPECT_EQ(Section(message, {1}), "");
  EXPECT_EQ(Section(message, {2}, SectionText::kMime), "");
  EXPECT_EQ(Section(message, {3}), "(none)");
}

TEST(Mime, ABoundaryMayBeginAnother) {
  constexpr std::string_view message =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
      "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\ninner\r\n--bb--\r\n--b\r\n\r\nouter\r\n--b--\r\n";
  EXPECT_EQ(Section(message, {1, 1}), "inner");
  EXPECT_EQ(Section(message, {2}), "outer");
}

TEST(Mime, AMultipartThatNeverEndsTakesTheRest) {
  constexpr std::string_view message = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nrest\r\n";
  EXPECT_EQ(Section(message, {1}), "rest\r\n");
  EXPECT_EQ(
      Structure("Content-Type: multipart/mixed\r\n\r\nx", true),
      "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" NIL NIL NIL "
      "NIL)");
}

// RFC 2231 section 3 and 4.1.
TEST(Mime, JoinsParameterContinuations) {
  const Part part = ParseMessage(
      "Content-Type: message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/a%b\"\r\n"
      "Content-Disposition: attachment; name*1*=%20b; name*0*=us-ascii'en'a; gap*1=x; f*0*=utf-8''a%20; f*1=\"50%\"\r\n"
      "\r\n");
  EXPECT_EQ(part.parameters, (std::vector<Parameter>{{"access-type", "URL"}, {"URL", "ftp://cs.utk.edu/a%b"}}));
  EXPECT_EQ(part.disposition_parameters,
            (std::vector<Parameter>{{"f*", "utf-8''a%2050%25"}, {"gap*1", "x"}, {"name*", "us-ascii'en'a%20b"}}));
}

TEST(Mime, BeyondTheLimitsPartsAreLeaves) {
  std::string nested;
  for (int i = 0; i < 2 * kPartDepthMax; ++i) nested += "Content-Type: message/rfc822\r\n\r\n";
  const Part root = ParseMessage(nested);
  int depth = 1;
  const Part* part = &root;
  for (; !part->children.empty(); part = &part->children.front()) ++depth;
  EXPECT_EQ(depth, kPartDepthMax);
  EXPECT_TRUE(part->truncated);
  EXPECT_NE(Structure(nested).find("\"application\" \"octet-stream\""), std::string::npos);

  std::string wide = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  for (int i = 0; i < 2 * kPartCountMax; ++i) wide += "--b\r\n\r\n";
  EXPECT_EQ(ParseMessage(wide).children.size(), static_cast<size_t>(kPartCountMax) - 1);
}

TEST(Envelope, OfTheExampleOfRfc9051) {
  std::string out;
  AppendEnvelope(ParseEnvelope("Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
                               "From: Terry Gray <gray@cac.washington.edu>\r\n"
                               "Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
                               "To: imap@cac.washington.edu\r\n"
                               "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
                               "Message-Id: <B27397-0100000@cac.washington.ed>\r\n\r\n"),
                 &out);
  EXPECT_EQ(
      out,
      "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" "
      "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
      "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
      "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
      "\"<B27397-0100000@cac.washington.ed>\")");
}

TEST(Envelope, JoinsAddressFieldsAndTakesTheLastText) {
  std::string out;
  AppendEnvelope(ParseEnvelope("Subject: a\r\nTo: a@b\r\nSubject: c\r\n  \xC3\xA9 \"\r\nTo: c@d\r\n"), &out);
  EXPECT_EQ(out, "(NIL {6}\r\nc \xC3\xA9 \" NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)");
}

TEST(ImapString, QuotesWhereItCan) {
  const auto text = [](std::string_view t) {
    std::string out;
    AppendImapString(t, &out);
    return out;
  };
  EXPECT_EQ(text("a\"b\\"), "\"a\\\"b\\\\\"");
  EXPECT_EQ(text("\"\"\"\"\""), "{5}\r\n\"\"\"\"\"");
  EXPECT_EQ(text("\xC3\xA9"), "{2}\r\n\xC3\xA9");
  EXPECT_EQ(text("a\r\nb"), "{4}\r\na\r\nb");
  EXPECT_EQ(text(""), "\"\"");
}

// RFC 3516 section 4.2.
TEST(Binary, DecodesPartsAndWhatIsInThem) {
  constexpr std::string_view message =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\nX: y\r\n\r\n"
      "aGVsbG8=\r\n--b\r\nContent-Transfer-Encoding: x-none\r\n\r\n?\r\n--b--\r\n";
  const Part root = ParseMessage(message);
  std::string out;
  EXPECT_EQ(AppendBinary(message, root.children[0], false, &out), BinaryResult::kOk);
  EXPECT_EQ(out, "hello");
  EXPECT_EQ(AppendBinary(message, root.children[1], false, &out), BinaryResult::kUnknownEncoding);
  EXPECT_EQ(AppendBinary(message, root, false, &out), BinaryResult::kUnknownEncoding);
  constexpr std::string_view good =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\nX: y\r\n\r\n"
      "aGVsbG8=\r\n--b--\r\n";
  out.clear();
  EXPECT_EQ(AppendBinary(good, ParseMessage(good), false, &out), BinaryResult::kOk);
  EXPECT_EQ(out, "--b\r\nX: y\r\nContent-Transfer-Encoding: binary\r\n\r\nhello\r\n--b--\r\n");
}

}  // namespace
}  // namespace postern::message
