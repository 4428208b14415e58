// Goal: the tree of parts, its ranges, and what IMAP says of it. Method: RFC 2046's and RFC 9051's examples, then the
// shapes in which real mail is broken, with Dovecot's answers.
#include "core/message/mime.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace postern::message
