// Goal: what others said is shown safely, folded as Postfix folds it, and addresses have their types. Method: the lines
// of real notices, RFC 6533 section 3, and what a hostile host may say.
#include "core/notice/text.h"

#include <gtest/gtest.h>

namespace postern::notice {
namespace {

std::string Folded(std::string_view text) {
  std::string out;
  AppendFolded(text, &out);
  return out;
}

TEST(Told, IsOneShownLine) {
  EXPECT_EQ(Told("550-a\r\n550 b", Repertoire::kAscii), "550-a 550 b");
  EXPECT_EQ(Told("\r\nX-Evil: 1\nFrom: x\r", Repertoire::kUtf8), "X-Evil: 1 From: x ");
  EXPECT_EQ(Told(std::string_view("a\0b\x1b[1m\x7f\tc", 10), Repertoire::kAscii), "a?b?[1m?\tc");
  EXPECT_EQ(Told("grün", Repertoire::kUtf8), "grün");
  EXPECT_EQ(Told("grün", Repertoire::kAscii), "gr??n");
  EXPECT_EQ(Told("gr\xfcn \xc0\xaf \xed\xa0\x80", Repertoire::kUtf8), "gr?n ?? ???");
}

TEST(Told, IsBoundedAndCutsNoCharacter) {
  EXPECT_EQ(Told(std::string(kToldBytesMax + 1, 'a'), Repertoire::kAscii).size(), kToldBytesMax);
  std::string text(kToldBytesMax - 1, 'a');
  EXPECT_EQ(Told(text + "ü", Repertoire::kUtf8), text);
}

TEST(Folding, IsPostfixs) {
  EXPECT_EQ(
      Folded("<fail1@dsn.example>: host 127.0.0.1[127.0.0.1] said: 550 5.1.1 <fail1@dsn.example>: Recipient address "
             "rejected: User unknown (in reply to RCPT TO command)"),
      "<fail1@dsn.example>: host 127.0.0.1[127.0.0.1] said: 550 5.1.1\n"
      "    <fail1@dsn.example>: Recipient address rejected: User unknown (in reply to\n"
      "    RCPT TO command)\n");
  EXPECT_EQ(Folded("Diagnostic-Code: smtp; 550-5.7.1 This is the first line of a very long reply that has many words "
                   "in it so that "
                   "the text must be folded somewhere 550-5.7.1 second line with "
                   "averyveryveryveryveryveryveryveryveryveryveryveryveryverylongwordthatcannotbefoldedatalltoday 550 "
                   "5.7.1 third"),
            "Diagnostic-Code: smtp; 550-5.7.1 This is the first line of a very long reply\n"
            "    that has many words in it so that the text must be folded somewhere\n"
            "    550-5.7.1 second line with\n"
            "    averyveryveryveryveryveryveryveryveryveryveryveryveryverylongwordthatcannotbefoldedatalltoday\n"
            "    550 5.7.1 third\n");
  EXPECT_EQ(Folded(""), "\n");
  EXPECT_EQ(Folded(std::string(79, 'a')), std::string(79, 'a') + "\n");
  EXPECT_EQ(Folded(std::string(77, 'a') + " b c"), std::string(77, 'a') + " b\n    c\n");
  EXPECT_EQ(Folded(std::string(78, 'a') + " b"), std::string(78, 'a') + "\n    b\n");
}

// RFC 5322 section 2.1.1.
TEST(Folding, CutsWordsThatNoLineHolds) {
  EXPECT_EQ(Folded(std::string(2000, 'a')),
            std::string(900, 'a') + "\n    " + std::string(900, 'a') + "\n    " + std::string(200, 'a') + "\n");
  std::string umlauts = "a";
  for (int i = 0; i < 500; ++i) umlauts += "ü";
  EXPECT_EQ(Folded(umlauts).find('\n'), 899u) << "between characters";
}

TEST(TypedAddresses, FollowRfc6533) {
  EXPECT_EQ(TypedAddress("u+x@a.example", Repertoire::kAscii), "rfc822; u+x@a.example");
  EXPECT_EQ(TypedAddress("\"a b\"@a.example", Repertoire::kUtf8), "rfc822; \"a b\"@a.example");
  EXPECT_EQ(TypedAddress("m\xc3\xbcnch@a.example", Repertoire::kUtf8), "utf-8; m\xc3\xbcnch@a.example");
  EXPECT_EQ(TypedAddress("m\xc3\xbcnch+x=\xf0\x9f\x93\xa7@a.example", Repertoire::kAscii),
            "utf-8; m\\x{FC}nch\\x{2B}x\\x{3D}\\x{1F4E7}@a.example");
  EXPECT_EQ(TypedAddress("m\xfcnch@a.example", Repertoire::kUtf8), "rfc822; m?nch@a.example");
}

TEST(OriginalRecipients, AreRepeatedInTheFormTheirPartAllows) {
  EXPECT_EQ(OriginalRecipient("rfc822;Orig+@x.example", Repertoire::kAscii), "rfc822;Orig+@x.example");
  EXPECT_EQ(OriginalRecipient("utf-8;fail\\x{FC}@x.example", Repertoire::kUtf8), "utf-8;fail\xc3\xbc@x.example");
  EXPECT_EQ(OriginalRecipient("utf-8;fail\\x{FC}@x.example", Repertoire::kAscii), "utf-8;fail\\x{FC}@x.example");
  EXPECT_EQ(OriginalRecipient("utf-8;fail\xc3\xbc\\x{2B}@x.example", Repertoire::kAscii),
            "utf-8;fail\\x{FC}\\x{2B}@x.example");
  EXPECT_EQ(OriginalRecipient("UTF-8;\\x{1F4E7}\\x{20AC}\\x{5C}@x.example", Repertoire::kUtf8),
            "utf-8;\xf0\x9f\x93\xa7\xe2\x82\xac\\@x.example");
  EXPECT_EQ(OriginalRecipient("rfc822;fail\xc3\xbc@x.example", Repertoire::kUtf8), "utf-8;fail\xc3\xbc@x.example");
  EXPECT_EQ(OriginalRecipient("rfc822;fail\xc3\xbc@x.example", Repertoire::kAscii), "utf-8;fail\\x{FC}@x.example");
  // RFC 6533 section 3: what does not conform is copied.
  for (const char* odd : {"utf-8;a\\x{D800}@x.example", "utf-8;a\\x{0A}@x.example", "utf-8;a\\x{110000}@x.example",
                          "utf-8;a\\y@x", "utf-8;a\\x{}@x", "utf-8;a\\x{FC", "utf-8;a\\x{FCFCFCFC}@x"}) {
    EXPECT_EQ(OriginalRecipient(odd, Repertoire::kUtf8), odd);
  }
  EXPECT_EQ(OriginalRecipient("x400;/S=A/\r\nEvil: 1", Repertoire::kUtf8), "x400;/S=A/ Evil: 1");
  EXPECT_EQ(OriginalRecipient("", Repertoire::kUtf8), "");
}

}  // namespace
}  // namespace postern::notice
