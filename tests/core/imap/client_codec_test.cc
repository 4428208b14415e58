// Goal: the client's side takes what RFC 3501 section 9 allows, and nothing else. Method: the RFC's examples, and each
// with one fault.
#include "core/imap/client_codec.h"

#include <gtest/gtest.h>

namespace postern::imap {
namespace {

Response Parsed(std::string_view line, bool greeting = false) {
  ResponseParse parsed = ParseResponse(line, greeting);
  if (!parsed.response) {
    ADD_FAILURE() << line << ": " << parsed.error;
    return {};
  }
  return *std::move(parsed.response);
}

TEST(ClientCodec, Conditions) {
  EXPECT_EQ(Parsed("* OK IMAP4rev1 Service Ready\r\n", true).kind, Response::Kind::kGreeting);
  const Response ok = Parsed("a002 OK [READ-WRITE] SELECT completed\r\n");
  EXPECT_EQ(ok.kind, Response::Kind::kTagged);
  EXPECT_EQ(ok.tag, "a002");
  EXPECT_EQ(ok.condition, "OK");
  EXPECT_EQ(ok.code.name, "READ-WRITE");
  EXPECT_EQ(ok.text, "SELECT completed");
  EXPECT_EQ(Parsed("* OK [UIDNEXT 4392] x\r\n").code.arguments, "4392");
  EXPECT_EQ(Parsed("* OK [PERMANENTFLAGS (\\Deleted \\Seen \\*)] Limited\r\n").code.arguments,
            "(\\Deleted \\Seen \\*)");
  EXPECT_EQ(Parsed("a OK [COPYUID 38505 304,319:320 3956:3958] Done\r\n").code.name, "COPYUID");
  EXPECT_EQ(Parsed("* NO [X-FOO bar {5}] baz {3}\r\n").code.arguments, "bar {5}");
  EXPECT_EQ(Parsed("+ \r\n").kind, Response::Kind::kContinuation);
  EXPECT_EQ(Parsed("+ dGVzdA==\r\n").text, "dGVzdA==");
}

TEST(ClientCodec, Data) {
  EXPECT_EQ(Parsed("* 172 EXISTS\r\n").number, 172u);
  EXPECT_EQ(Parsed("* 0 RECENT\r\n").name, "RECENT");
  EXPECT_EQ(Parsed("* CAPABILITY IMAP4rev1 STARTTLS AUTH=GSSAPI\r\n").values.size(), 3u);
  const Response list = Parsed("* LIST (\\Noselect) \"/\" \"~/Mail/f o\"\r\n");
  EXPECT_EQ(list.values[0].items[0].text, "\\Noselect");
  EXPECT_EQ(list.values[2].text, "~/Mail/f o");
  EXPECT_EQ(Parsed("* LIST () NIL {3}\r\na\"b\r\n").values[2].text, "a\"b");
  EXPECT_EQ(Parsed("* LIST () \"/\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n").values.size(), 4u);
  EXPECT_EQ(Parsed("* SEARCH 2 84 882\r\n").values.size(), 3u);
  EXPECT_EQ(Parsed("* SEARCH\r\n").values.size(), 0u);
  EXPECT_EQ(Parsed("* SEARCH 2 5 (MODSEQ 917162500)\r\n").values[2].items[1].number, 917162500u);
  EXPECT_EQ(Parsed("* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)\r\n").values[1].items.size(), 4u);
  EXPECT_EQ(Parsed("* FLAGS (\\Answered x)\r\n").values[0].items.size(), 2u);
  Parsed("* ESEARCH (TAG \"A282\") MIN 2 COUNT 3 ALL 2,10:11\r\n");
  Parsed("* ESEARCH (TAG \"a\") UID\r\n");
  Parsed("* ESEARCH\r\n");
  Parsed("* THREAD (166)(167)(168)(169)(172)((170)(179))(171 (173 (174 175)(176))(177))\r\n");
  Parsed(
      "* NAMESPACE ((\"\" \"/\")) NIL ((\"#shared/\" \"/\")(\"#public/\" \"/\" \"X-PARAM\" (\"FLAG1\" "
      "\"FLAG2\")))\r\n");
  Parsed("* ID (\"name\" \"Cyrus\" \"os\" NIL)\r\n");
  Parsed("* ID NIL\r\n");
  Parsed("* ENABLED CONDSTORE\r\n");
  Parsed("* VANISHED (EARLIER) 41,43:116\r\n");
  Parsed("* QUOTA \"\" (STORAGE 10 512)\r\n");
  Parsed("* QUOTAROOT INBOX \"\"\r\n");
}

TEST(ClientCodec, FetchOfTheRfc) {
  const Response fetch = Parsed(
      "* 12 FETCH (FLAGS (\\Seen \\Recent) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 ENVELOPE "
      "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" ((\"Terry Gray\" NIL "
      "\"gray\" "
      "\"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" "
      "\"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) ((NIL NIL \"minutes\" "
      "\"CNRI.Reston.VA.US\")"
      "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.edu>\") BODY (\"TEXT\" "
      "\"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92) UID 7 MODSEQ (624140003) BODY[HEADER.FIELDS "
      "(DATE "
      "\"a b\")]<0> {4}\r\n\r\nxx)\r\n");
  ASSERT_EQ(fetch.fetch.size(), 8u);
  EXPECT_EQ(fetch.Attribute("UID")->number, 7u);
  EXPECT_EQ(fetch.Attribute("ENVELOPE")->items[6].items[1].items[2].text, "KLENSIN");
  ASSERT_NE(fetch.Attribute("BODY[HEADER.FIELDS (DATE a b)]<0>"), nullptr);
  EXPECT_EQ(fetch.Attribute("BODY[HEADER.FIELDS (DATE a b)]<0>")->text, "\r\nxx");
  EXPECT_EQ(fetch.Attribute("FLAGS")->items.size(), 2u);
}

TEST(ClientCodec, BodyStructures) {
  Parsed("* 1 FETCH (BODYSTRUCTURE (\"text\" \"plain\" NIL NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL))\r\n");
  Parsed(
      "* 1 FETCH (BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1152 23)(\"TEXT\" "
      "\"PLAIN\" "
      "(\"CHARSET\" \"US-ASCII\" \"NAME\" \"cc.diff\") \"<9@cac>\" \"Compiler diff\" \"BASE64\" 4554 73) \"MIXED\" "
      "(\"boundary\" "
      "\"x\") (\"inline\" (\"filename\" \"y\")) (\"en\" \"de\") \"loc\" 5 (NIL \"x\" (7))))\r\n");
}

TEST(ClientCodec, MessagesInMessages) {
  Parsed(
      "* 1 FETCH (BODY (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 342 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
      "(\"image\" \"png\" "
      "NIL NIL NIL \"base64\" 7) 8))\r\n");
}

TEST(ClientCodec, Binary) {
  constexpr char kLine[] = "* 1 FETCH (BINARY[1]<0> ~{3}\r\na\0b BINARY.SIZE[2.1] 5)\r\n";
  const Response fetch = Parsed(std::string_view(kLine, sizeof kLine - 1));
  ASSERT_EQ(fetch.fetch.size(), 2u);
  EXPECT_EQ(fetch.fetch[0].value.text, std::string("a\0b", 3));
}

TEST(ClientCodec, RefusesWhatNoGrammarAllows) {
  for (const char* line : {
           "* OK\r\n",
           "* OK \r\n",
           "* OK x\n",
           "*  OK x\r\n",
           "* ok\r\n",
           "a OK [READ-WRITE]\r\n",
           "a OK [READ-WRITE x] y\r\n",
           "a OK [UIDNEXT 0] x\r\n",
           "a OK [UIDNEXT] x\r\n",
           "a OK [UIDVALIDITY 4294967296] x\r\n",
           "* OK caf\xc3\xa9\r\n",
           "* PREAUTH x\r\n",
           "a BYE x\r\n",
           "a+b OK x\r\n",
           "+\r\n",
           "* 0 EXPUNGE\r\n",
           "* 0 FETCH (UID 1)\r\n",
           "* -1 EXISTS\r\n",
           "* 1 EXISTS x\r\n",
           "* 01 EXISTS  \r\n",
           "* 1 FOO\r\n",
           "* FOO\r\n",
           "* CAPABILITY IDLE\r\n",
           "* CAPABILITY IMAP4rev1 \r\n",
           "* FLAGS (\\Recent)\r\n",
           "* FLAGS (\\*)\r\n",
           "* FLAGS (a  b)\r\n",
           "* FLAGS ( a)\r\n",
           "* FLAGS (a]b)\r\n",
           "* LIST () \"//\" x\r\n",
           "* LIST () / x\r\n",
           "* LIST () \"/\" x y\r\n",
           "* LIST () \"/\" a*b\r\n",
           "* LIST \"/\" x\r\n",
           "* LIST () \"/\" \"caf\xc3\xa9\"\r\n",
           "* LIST () \"/\" \"a\\b\"\r\n",
           "* SEARCH 0\r\n",
           "* SEARCH 1 \r\n",
           "* SEARCH 1,2\r\n",
           "* STATUS x (MESSAGES)\r\n",
           "* STATUS x (UIDNEXT 0)\r\n",
           "* STATUS x\r\n",
           "* ESEARCH TAG \"a\"\r\n",
           "* ESEARCH ALL\r\n",
           "* THREAD ((1))\r\n",
           "* THREAD ()\r\n",
           "* VANISHED 1:*\r\n",
           "* VANISHED\r\n",
           "* NAMESPACE NIL NIL\r\n",
           "* 1 FETCH ()\r\n",
           "* 1 FETCH (UID 0)\r\n",
           "* 1 FETCH (UID 1 )\r\n",
           "* 1 FETCH (UID 1) \r\n",
           "* 1 FETCH UID 1\r\n",
           "* 1 FETCH (FOO 1)\r\n",
           "* 1 FETCH (FLAGS NIL)\r\n",
           "* 1 FETCH (INTERNALDATE \"7-Jul-1996 02:44:25 -0700\")\r\n",
           "* 1 FETCH (INTERNALDATE \"07-Jul-1996 02:44:25\")\r\n",
           "* 1 FETCH (MODSEQ 5)\r\n",
           "* 1 FETCH (MODSEQ (0))\r\n",
           "* 1 FETCH (BODY[] x)\r\n",
           "* 1 FETCH (BODY[MIME] NIL)\r\n",
           "* 1 FETCH (BODY[0] NIL)\r\n",
           "* 1 FETCH (BODY[1.] NIL)\r\n",
           "* 1 FETCH (BODY[HEADER.FIELDS ()] NIL)\r\n",
           "* 1 FETCH (BODY[] {3}\r\nab)\r\n",
           "* 1 FETCH (BODY.PEEK[] NIL)\r\n",
           "* 1 FETCH (RFC822.SIZE NIL)\r\n",
           "* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL))\r\n",
           "* 1 FETCH (ENVELOPE (NIL NIL () NIL NIL NIL NIL NIL NIL NIL))\r\n",
           "* 1 FETCH (BODY (\"text\" \"plain\" () NIL NIL \"7bit\" 10 2))\r\n",
           "* 1 FETCH (BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 10))\r\n",
           "* 1 FETCH (BODY (\"text\" \"plain\" NIL NIL NIL NIL 10 2))\r\n",
           "* 1 FETCH (BODY (\"image\" \"png\" NIL NIL NIL \"7bit\" 10 2))\r\n",
           "* 1 FETCH (BODY (\"text\" \"plain\" NIL NIL NIL \"7bit\" 10 2 NIL))\r\n",
           "* 1 FETCH (BODY (text plain NIL NIL NIL \"7bit\" 10 2))\r\n",
           "* 1 FETCH (BODY (\"mixed\"))\r\n",
           "",
       }) {
    EXPECT_FALSE(ParseResponse(line, false).response) << line;
  }
  for (const char* line : {"* NO x\r\n", "a OK x\r\n", "+ x\r\n", "* CAPABILITY IMAP4rev1\r\n"}) {
    EXPECT_FALSE(ParseResponse(line, true).response) << line << " is no greeting";
  }
}

TEST(ClientCodec, ReadsStreamsInPieces) {
  const std::string stream =
      "* OK ready\r\n* 1 FETCH (BODY[] {11}\r\na OK x{1}\r\n UID 1)\r\n* OK text {5}\r\na OK done\r\n* 1 FETCH (UID";
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    ResponseReader reader;
    std::vector<Response> responses;
    for (size_t at = 0; at < stream.size(); at += piece) {
      ASSERT_TRUE(reader.Feed(std::string_view(stream).substr(at, piece), &responses)) << reader.error();
    }
    ASSERT_EQ(responses.size(), 4u);
    EXPECT_EQ(responses[1].fetch[0].value.text, "a OK x{1}\r\n");
    EXPECT_EQ(responses[2].text, "text {5}");
    EXPECT_EQ(responses[3].offset, stream.find("a OK done"));
    EXPECT_TRUE(reader.pending());
  }
}

TEST(ClientCodec, SaysWhereTheFaultIs) {
  ResponseReader reader;
  std::vector<Response> responses;
  EXPECT_TRUE(reader.Feed("* OK ready\r\n* 1 EX", &responses));
  EXPECT_FALSE(reader.Feed("IST\r\na OK x\r\n", &responses));
  EXPECT_EQ(responses.size(), 1u);
  EXPECT_EQ(reader.offset(), 21u);
  EXPECT_EQ(reader.error(), "expected EXISTS, RECENT, EXPUNGE or FETCH at \"??\"");
  EXPECT_FALSE(reader.Feed("a OK x\r\n", &responses));
}

TEST(ClientCodec, DeepNestingIsAFault) {
  EXPECT_FALSE(ParseResponse("* THREAD " + std::string(100000, '(') + "\r\n", false).response);
  EXPECT_FALSE(ParseResponse("* 1 FETCH (BODY " + std::string(100000, '(') + "\r\n", false).response);
}

TEST(ClientCodec, TextBeyondAsciiMustBeAllowed) {
  const std::string line = "a NO caf\xc3\xa9\r\n";
  EXPECT_FALSE(ParseResponse(line, false).response);
  EXPECT_TRUE(ParseResponse(line, false, /*utf8_text=*/true).response);
  EXPECT_FALSE(ParseResponse("a NO caf\xc3\r\n", false, /*utf8_text=*/true).response);
}

TEST(ClientCodec, ComparesMeanings) {
  const Value a = Parsed("* LIST () \"/\" \"x\"\r\n").values[2];
  const Value b = Parsed("* LIST () \"/\" {1}\r\nx\r\n").values[2];
  EXPECT_TRUE(a.SameMeaning(b));
  EXPECT_FALSE(a.SameMeaning(Parsed("* LIST () \"/\" \"y\"\r\n").values[2]));
}

}  // namespace
}  // namespace postern::imap
