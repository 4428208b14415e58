// Goal: 8-bit content leaves as seven bits that mean the same, as Postfix's conversion has it. Method: one example for
// each kind of part; what a real Postfix sends for whole messages is in client_peer_test.cc.
#include "core/outbound/downgrade.h"

#include <gtest/gtest.h>

namespace postern::outbound {
namespace {

std::string Converted(std::string_view message, size_t piece = 7) {
  Downgrader downgrader(100);
  std::string out;
  for (size_t at = 0; at < message.size(); at += piece) downgrader.Feed(message.substr(at, piece), &out);
  downgrader.Finish(&out);
  return out;
}

TEST(Downgrader, LeavesSevenBitsAlone) {
  for (const char* message : {"Subject: x\n\nbody\n", "Subject: x\n", "", "Content-Transfer-Encoding: base64\n\nAAAA\n",
                              "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b--\nepilogue\n"}) {
    EXPECT_EQ(Converted(message), message);
  }
}

TEST(Downgrader, EncodesDeclaredText) {
  EXPECT_EQ(Converted("Content-Transfer-Encoding: 8bit\nContent-Type: text/plain; charset=utf-8\nSubject: x\n\n"
                      "j\xC3\xBC=\ntrailing \n\t\n"),
            "Content-Type: text/plain; charset=utf-8\nSubject: x\nContent-Transfer-Encoding: quoted-printable\n\n"
            "j=C3=BC=3D\ntrailing=20\n=09\n");
}

TEST(Downgrader, BreaksLongLinesSoftly) {
  const std::string out = Converted("Content-Transfer-Encoding: 8bit\n\n" + std::string(100, 'a') + "\n");
  EXPECT_EQ(out, "Content-Transfer-Encoding: quoted-printable\n\n" + std::string(73, 'a') + "=\n" +
                     std::string(27, 'a') + "\n");
  // However long, no piece of it can be told from the others.
  const std::string line(10'000, '\xFF');
  const std::string long_out = Converted("Content-Transfer-Encoding: 8bit\n\n" + line + "\n", 1000);
  size_t count = 0;
  for (size_t at = long_out.find("=FF"); at != std::string::npos; at = long_out.find("=FF", at + 3)) ++count;
  EXPECT_EQ(count, line.size());
}

// What is not declared may be anything: Postfix sends it as it is.
TEST(Downgrader, LeavesWhatIsNotDeclared) {
  const std::string message = "Subject: \xFF\n\n\xFF\n";
  EXPECT_EQ(Converted(message), message);
}

TEST(Downgrader, GoesIntoMultiparts) {
  EXPECT_EQ(
      Converted("Content-Type: multipart/mixed;\n boundary=\"a b\"\nContent-Transfer-Encoding: 8bit\n\n"
                "pre\n--a b\nContent-Transfer-Encoding: 8bit\n\n\xC3\xBC\n--a b\nContent-Type: text/html\n\nplain\n"
                "--a b--\nepilogue \xFF\n"),
      "Content-Type: multipart/mixed;\n boundary=\"a b\"\nContent-Transfer-Encoding: 7bit\n\n"
      "pre\n--a b\nContent-Transfer-Encoding: quoted-printable\n\n=C3=BC\n--a b\nContent-Type: text/html\n\nplain\n"
      "--a b--\nepilogue \xFF\n");
}

TEST(Downgrader, GoesIntoMessages) {
  EXPECT_EQ(Converted("Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
                      "Subject: inner\nContent-Transfer-Encoding: 8bit\n\n\xC3\xBC\n"),
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\n"
            "Subject: inner\nContent-Transfer-Encoding: quoted-printable\n\n=C3=BC\n");
  // Parts of a digest are messages without saying so (RFC 2046 section 5.1.5).
  EXPECT_EQ(
      Converted(
          "Content-Type: multipart/digest; boundary=b\n\n--b\n\nContent-Transfer-Encoding: 8bit\n\n\xFF\n--b--\n"),
      "Content-Type: multipart/digest; boundary=b\n\n--b\n\nContent-Transfer-Encoding: "
      "quoted-printable\n\n=FF\n--b--\n");
}

TEST(Downgrader, EncodesBinaryLeavesAsBase64) {
  EXPECT_EQ(Converted("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/x\n"
                      "Content-Transfer-Encoding: binary\n\n\x01\x02\n\x03\n--b--\n"),
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/x\n"
            "Content-Transfer-Encoding: base64\n\nAQINCgM=\n--b--\n");
  EXPECT_EQ(Converted("Content-Type: image/x\nContent-Transfer-Encoding: binary\n\n\x01\n"),
            "Content-Type: image/x\nContent-Transfer-Encoding: base64\n\nAQ0K\n");
}

TEST(Downgrader, PutsALineBetweenHeaderAndTextThatIsNone) {
  EXPECT_EQ(Converted("Content-Transfer-Encoding: 8bit\nno header \xFF\n"),
            "Content-Transfer-Encoding: quoted-printable\n\nno header =FF\n");
}

TEST(Downgrader, TakesCrlfAndMissingEnds) {
  EXPECT_EQ(Converted("Content-Transfer-Encoding: 8bit\r\n\r\n\xFF\r\nx\ry\r\nend"),
            "Content-Transfer-Encoding: quoted-printable\n\n=FF\nx=0Dy\nend\n");
}

TEST(Downgrader, IsBounded) {
  Downgrader downgrader(3);
  std::string out;
  std::string message;
  for (int i = 0; i < 6; ++i) {
    const std::string boundary = "b" + std::to_string(i);
    message += "Content-Type: multipart/mixed; boundary=" + boundary + "\n\n--" + boundary + "\n";
  }
  downgrader.Feed(message, &out);
  EXPECT_TRUE(downgrader.nested_too_deep());
  const std::string deep = Converted("Content-Type: text/plain" + std::string(300'000, ';') + "\n\nx\n", 4096);
  EXPECT_EQ(deep.size(), 300'028u);
}

}  // namespace
}  // namespace postern::outbound
