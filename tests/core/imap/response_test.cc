// Goal: each piece of a response is what RFC 3501 section 9 allows and clients expect. Method: examples; the client's
// strict parser has the last word on lines.
#include "core/imap/response.h"

#include <gtest/gtest.h>

#include "core/imap/client_codec.h"
#include "core/imap/parser.h"

namespace postern::imap {
namespace {

template <class Append, class... Arguments>
std::string Made(Append append, Arguments&&... arguments) {
  std::string out;
  append(std::forward<Arguments>(arguments)..., &out);
  return out;
}

TEST(Response, Strings) {
  EXPECT_EQ(Made(AppendQuoted, "a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(Made(AppendString, ""), "\"\"");
  EXPECT_EQ(Made(AppendString, "a\r\nb"), "{4}\r\na\r\nb");
  EXPECT_EQ(Made(AppendString, "\xc3\xa9"), "{2}\r\n\xc3\xa9");
  EXPECT_EQ(Made(AppendString, std::string_view("a\0b", 3)),
            "{3}\r\na\x80"
            "b");
  EXPECT_EQ(Made(AppendNString, std::nullopt), "NIL");
  EXPECT_EQ(Made(AppendNString, "x"), "\"x\"");
  EXPECT_EQ(Made(AppendAString, "x]y"), "x]y");
  EXPECT_EQ(Made(AppendAString, "x y"), "\"x y\"");
  EXPECT_EQ(Made(AppendAString, ""), "\"\"");
  EXPECT_EQ(Made(AppendAString, "nil"), "\"nil\"");
  EXPECT_EQ(Made(AppendAString, "a%"), "\"a%\"");
  EXPECT_EQ(Made(AppendMailbox, "P&AOg-re"), "P&AOg-re");
  EXPECT_EQ(Made(AppendMailbox, "a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(Made(AppendLiteral8Header, 5), "~{5}\r\n");
}

TEST(Response, DateTimes) {
  EXPECT_EQ(Made(AppendDateTime, DateTime{837596665, -420}), "\"17-Jul-1996 02:44:25 -0700\"");
  EXPECT_EQ(Made(AppendDateTime, DateTime{0, 0}), "\" 1-Jan-1970 00:00:00 +0000\"");
  EXPECT_EQ(Made(AppendDateTime, DateTime{-1, 60}), "\" 1-Jan-1970 00:59:59 +0100\"");
  EXPECT_EQ(Made(AppendDateTime, DateTime{1709164800, 330}), "\"29-Feb-2024 05:30:00 +0530\"");
}

TEST(Response, Flags) {
  EXPECT_EQ(Made([](auto... a) { AppendFlagList(a...); }, FlagList{}), "()");
  EXPECT_EQ(Made([](auto... a) { AppendFlagList(a...); }, FlagList{kSeen | kAnswered | kRecent, {"$x", "y"}}),
            "(\\Answered \\Seen \\Recent $x y)");
  EXPECT_EQ(Made(AppendPermanentFlags, FlagList{kDeleted, {}}, true), "PERMANENTFLAGS (\\Deleted \\*)");
  EXPECT_EQ(Made(AppendPermanentFlags, FlagList{}, true), "PERMANENTFLAGS (\\*)");
}

TEST(Response, Lines) {
  EXPECT_EQ(Made(AppendStatusLine, "*", Condition::kOk, "UIDNEXT 4", "Predicted next UID"),
            "* OK [UIDNEXT 4] Predicted next UID\r\n");
  EXPECT_EQ(Made(AppendStatusLine, "a1", Condition::kNo, "", "x\r\na2 OK\xc3\xa9"), "a1 NO x??a2 OK\xc3\xa9\r\n");
  // Whole characters only: no line that a reader of UTF-8 could not read.
  EXPECT_EQ(Made(AppendStatusLine, "a1", Condition::kNo, "",
                 "\xa9 \xc3 \xed\xa0\x80 \xc0\x80 \xf5\x80\x80\x80 \xe5\x8f\xb0\x7f\xe5\x8f"),
            "a1 NO ? ? ??? ?? ???? \xe5\x8f\xb0???\r\n");
  EXPECT_EQ(Made(AppendContinuation, ""), "+ \r\n");
  EXPECT_EQ(Made(AppendContinuation, "idling"), "+ idling\r\n");
  EXPECT_EQ(Made(AppendNumberLine, 23, "EXISTS"), "* 23 EXISTS\r\n");
  const std::string_view capabilities[] = {"IMAP4rev1", "IDLE"};
  EXPECT_EQ(Made(AppendCapabilityLine, std::span<const std::string_view>(capabilities)),
            "* CAPABILITY IMAP4rev1 IDLE\r\n");
  for (const std::string& text : {std::string(), std::string("[x"), std::string("[x] y"), std::string("\0", 1)}) {
    const std::string line = Made(AppendStatusLine, "*", Condition::kBye, "", text);
    const ResponseParse parsed = ParseResponse(line, false);
    EXPECT_TRUE(parsed.response) << line << parsed.error;
    EXPECT_EQ(parsed.response->code.name, "");
  }
}

TEST(Response, UidCodes) {
  EXPECT_EQ(Made(AppendAppendUid, 38505, *NumberSet::Parse("3955:3957")), "APPENDUID 38505 3955:3957");
  EXPECT_EQ(Made([](auto... a) { AppendCopyUid(a...); }, 38505, *NumberSet::Parse("304,319:320"),
                 *NumberSet::Parse("3956:3958")),
            "COPYUID 38505 304,319:320 3956:3958");
  const std::vector<uint32_t> from = {5, 6, 2, 9}, to = {10, 11, 12, 13};
  EXPECT_EQ(
      Made([](auto... a) { AppendCopyUid(a...); }, 1, std::span<const uint32_t>(from), std::span<const uint32_t>(to)),
      "COPYUID 1 5:6,2,9 10:13");
}

TEST(Response, FetchItemNames) {
  const std::pair<const char*, const char*> names[] = {
      {"BODY.PEEK[HEADER.FIELDS (From \"a b\")]<5.10>", "BODY[HEADER.FIELDS (FROM \"A B\")]<5>"},
      {"BODY[]", "BODY[]"},
      {"BODY[1.2.MIME]", "BODY[1.2.MIME]"},
      {"BODY[1.TEXT]", "BODY[1.TEXT]"},
      {"BODY[2]", "BODY[2]"},
      {"BINARY.PEEK[1]<0.5>", "BINARY[1]<0>"},
      {"BINARY.SIZE[1]", "BINARY.SIZE[1]"},
      {"RFC822.SIZE", "RFC822.SIZE"},
  };
  for (const auto& [asked, answered] : names) {
    const ParseResult result = ParseCommand(std::string("a FETCH 1 ") + asked);
    ASSERT_TRUE(std::holds_alternative<Command>(result)) << asked;
    EXPECT_EQ(Made(AppendFetchItemName, std::get<FetchCommand>(std::get<Command>(result).body).items.at(0)), answered);
  }
}

}  // namespace
}  // namespace postern::imap
