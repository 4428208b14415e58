// Goal: the framer finds commands, hands APPEND's messages over, keeps its limits and never loses step with the client.
// Method: small dialogues, each limit at, below and above.
#include "core/imap/framer.h"

#include <gtest/gtest.h>

#include "tests/core/imap/framed_commands.h"

namespace postern::imap {
namespace {

using Kind = Framer::Kind;

std::vector<Framed> Frame(std::string_view bytes, const Framer::Limits& limits = {}, bool refuse = false) {
  Framer framer(limits);
  return FrameAll(&framer, bytes, {}, refuse);
}

TEST(Framer, CutsLines) {
  EXPECT_EQ(Frame("a NOOP\r\nb NOOP\nc NO"),
            (std::vector<Framed>{{Kind::kCommand, "a NOOP"}, {Kind::kCommand, "b NOOP"}}));
  EXPECT_EQ(Frame("\r\n\n"), (std::vector<Framed>{{Kind::kCommand, ""}, {Kind::kCommand, ""}}));
  EXPECT_EQ(Frame("a\rb\r\r\n"), (std::vector<Framed>{{Kind::kCommand, "a\rb\r"}}));
}

TEST(Framer, OneLineIsNotCopied) {
  Framer framer({});
  const std::string bytes = "a NOOP\r\nb";
  const Framer::Step step = framer.Next(bytes);
  EXPECT_EQ(step.text.data(), bytes.data());
  EXPECT_EQ(step.consumed_bytes, 8u);
  EXPECT_EQ(framer.held_bytes(), 0u);
}

TEST(Framer, KeepsLiteralsInPlace) {
  EXPECT_EQ(Frame("a LOGIN {3+}\r\nu\r\n {2}\r\npw\r\nb NOOP\r\n"),
            (std::vector<Framed>{{Kind::kContinue, "a LOGIN {3+}\r\nu\r\n {2}"},
                                 {Kind::kCommand, "a LOGIN {3+}\r\nu\r\n {2}\r\npw"},
                                 {Kind::kCommand, "b NOOP"}}));
  EXPECT_EQ(Frame("a X {0+}\r\n\r\n"), (std::vector<Framed>{{Kind::kCommand, "a X {0+}\r\n"}}));
  const std::string binary("a X ~{2+}\n\0\n", 12);
  EXPECT_EQ(Frame(binary + "\r\n"), (std::vector<Framed>{{Kind::kCommand, binary}}));
}

TEST(Framer, SaysWhatALiteralIs) {
  Framer framer({});
  EXPECT_EQ(framer.Next("a X ~{12}\r\n").kind, Kind::kContinue);
  EXPECT_EQ(framer.literal().bytes, 12u);
  EXPECT_TRUE(framer.literal().binary);
  EXPECT_TRUE(framer.literal().synchronizing);
}

TEST(Framer, WithinQuotesNothingIsAnnounced) {
  EXPECT_EQ(Frame("a X \"y {3}\r\nb NOOP\r\n"),
            (std::vector<Framed>{{Kind::kCommand, "a X \"y {3}"}, {Kind::kCommand, "b NOOP"}}));
  EXPECT_EQ(Frame("a X \"y\\\" {3}\r\n"), (std::vector<Framed>{{Kind::kCommand, "a X \"y\\\" {3}"}}));
  EXPECT_EQ(Frame("a X \"y\" {1+}\r\nz\r\n"), (std::vector<Framed>{{Kind::kCommand, "a X \"y\" {1+}\r\nz"}}));
}

TEST(Framer, WhatIsNoNumberAnnouncesNothing) {
  for (const char* line : {"a X {}", "a X {+}", "a X {x}", "a X {-1}", "a X {1+} ", "a X {5+", "a X {1 }"}) {
    EXPECT_EQ(Frame(std::string(line) + "\r\n"), (std::vector<Framed>{{Kind::kCommand, line}})) << line;
  }
}

TEST(Framer, StreamsAppend) {
  EXPECT_EQ(Frame("a APPEND INBOX (\\Seen) {5+}\r\nx\r\ny\n\r\nb NOOP\r\n"),
            (std::vector<Framed>{{Kind::kAppendLiteral, "a APPEND INBOX (\\Seen) {5+}"},
                                 {Kind::kChunk, "x\r\ny\n"},
                                 {Kind::kAppendLiteralEnd, ""},
                                 {Kind::kAppendEnd, ""},
                                 {Kind::kCommand, "b NOOP"}}));
  EXPECT_EQ(Frame("a append {5+}\r\nINBOX {1}\r\nx {2+}\r\nyz \r\n"),
            (std::vector<Framed>{{Kind::kAppendLiteral, "a append {5+}\r\nINBOX {1}"},
                                 {Kind::kChunk, "x"},
                                 {Kind::kAppendLiteralEnd, ""},
                                 {Kind::kAppendLiteral, " {2+}"},
                                 {Kind::kChunk, "yz"},
                                 {Kind::kAppendLiteralEnd, ""},
                                 {Kind::kAppendEnd, " "}}));
  EXPECT_EQ(Frame("a APPEND x {0}\r\n\r\n"),
            (std::vector<Framed>{
                {Kind::kAppendLiteral, "a APPEND x {0}"}, {Kind::kAppendLiteralEnd, ""}, {Kind::kAppendEnd, ""}}));
  EXPECT_EQ(Frame("a APPENDX x {1+}\r\ny\r\n"), (std::vector<Framed>{{Kind::kCommand, "a APPENDX x {1+}\r\ny"}}));
  EXPECT_EQ(Frame("a APPEND x {1+}\r\ny\r\n", {.stream_append = false}),
            (std::vector<Framed>{{Kind::kCommand, "a APPEND x {1+}\r\ny"}}));
}

TEST(Framer, StreamsWithoutHolding) {
  Framer framer({});
  FrameAll(&framer, "a APPEND INBOX {50000000}\r\n");
  const std::string piece(1 << 16, 'x');
  uint64_t bytes = 0;
  while (bytes < 50000000) {
    const Framer::Step step = framer.Next(piece);
    ASSERT_EQ(step.kind, Kind::kChunk);
    ASSERT_EQ(step.text.data(), piece.data());
    bytes += step.text.size();
    ASSERT_EQ(framer.held_bytes(), 0u);
    if (step.consumed_bytes < piece.size()) break;
  }
  EXPECT_EQ(bytes, 50000000u);
  EXPECT_EQ(FrameAll(&framer, "\r\n"), (std::vector<Framed>{{Kind::kAppendLiteralEnd, ""}, {Kind::kAppendEnd, ""}}));
}

TEST(Framer, RefusedLiteralsKeepInStep) {
  // A synchronizing literal never comes; a non-synchronizing one is swallowed, with whatever follows it in the command.
  EXPECT_EQ(Frame("a APPEND nil {5}\r\nb NOOP\r\n", {}, true),
            (std::vector<Framed>{{Kind::kAppendLiteral, "a APPEND nil {5}"}, {Kind::kCommand, "b NOOP"}}));
  EXPECT_EQ(Frame("a APPEND nil {5+}\r\nx\r\nyz {3+}\r\nu\r\n {0+}\r\n\r\nb NOOP\r\n", {}, true),
            (std::vector<Framed>{{Kind::kAppendLiteral, "a APPEND nil {5+}"}, {Kind::kCommand, "b NOOP"}}));
  EXPECT_EQ(Frame("a APPEND nil {1+}\r\nx \"{3+}\r\nb NOOP\r\n", {}, true),
            (std::vector<Framed>{{Kind::kAppendLiteral, "a APPEND nil {1+}"}, {Kind::kCommand, "b NOOP"}}))
      << "within quotes nothing is announced";
  EXPECT_EQ(Frame("a LOGIN {5}\r\nb NOOP\r\n", {}, true),
            (std::vector<Framed>{{Kind::kContinue, "a LOGIN {5}"}, {Kind::kCommand, "b NOOP"}}));
}

TEST(Framer, LineLimit) {
  for (const char* end : {"\r\n", "\n"}) {
    const Framer::Limits limits{.line_bytes_max = 10};
    EXPECT_EQ(Frame(std::string("a NOOP 789") + end, limits), (std::vector<Framed>{{Kind::kCommand, "a NOOP 789"}}));
    EXPECT_EQ(Frame(std::string("a NOOP 7890") + end + "b NOOP\n", limits),
              (std::vector<Framed>{{Kind::kError, "Error in IMAP command NOOP: Too long argument."},
                                   {Kind::kCommand, "b NOOP"}}));
  }
}

TEST(Framer, TooLongLineWithALiteralIsSwallowed) {
  const Framer::Limits limits{.line_bytes_max = 10};
  for (size_t filler = 0; filler < 60; ++filler) {
    const std::string bytes = "a NOOP " + std::string(filler, 'x') + " {8+}\r\nc NOOP\r\n {2+}\r\n\r\n\r\nb NOOP\r\n";
    Framer framer(limits);
    const std::vector<Framed> framed = FrameAll(&framer, bytes);
    ASSERT_EQ(framed.size(), 2u) << bytes;
    EXPECT_EQ(framed[0].kind, Kind::kError);
    EXPECT_EQ(framed[1], (Framed{Kind::kCommand, "b NOOP"}));
  }
}

TEST(Framer, LiteralLimit) {
  const Framer::Limits limits{.literal_bytes_max = 3};
  EXPECT_EQ(Frame("a X {3+}\r\nxyz\r\n", limits).size(), 1u);
  EXPECT_EQ(Frame("a X {4+}\r\nwxyz\r\nb NOOP\r\n", limits),
            (std::vector<Framed>{{Kind::kError, "Error in IMAP command X: Literal size too large."},
                                 {Kind::kCommand, "b NOOP"}}));
  EXPECT_EQ(Frame("a X {4}\r\nb NOOP\r\n", limits),
            (std::vector<Framed>{{Kind::kError, "Error in IMAP command X: Literal size too large."},
                                 {Kind::kCommand, "b NOOP"}}));
  EXPECT_EQ(Frame("a X {18446744073709551615}\r\nb NOOP\r\n", limits).back(), (Framed{Kind::kCommand, "b NOOP"}));
  EXPECT_EQ(Frame("a X {99999999999999999999}\r\nb NOOP\r\n", limits).back(), (Framed{Kind::kCommand, "b NOOP"}));
}

TEST(Framer, ErrorsNameTheirTag) {
  Framer framer({.line_bytes_max = 10});
  const Framer::Step step = framer.Next("tag7 FETCH 1:* FLAGS\r\n");
  EXPECT_EQ(step.kind, Kind::kError);
  EXPECT_EQ(step.text, "Error in IMAP command FETCH: Too long argument.");
  EXPECT_EQ(framer.error_tag(), "tag7");
  EXPECT_EQ(framer.Next("\n").kind, Kind::kNeedInput);
  EXPECT_EQ(framer.held_bytes(), 0u);
}

TEST(Framer, CommandLimit) {
  const Framer::Limits limits{.command_bytes_max = 20};
  EXPECT_EQ(Frame("a X {5+}\r\n12345 789\r\n", limits),
            (std::vector<Framed>{{Kind::kCommand, "a X {5+}\r\n12345 789"}}));
  EXPECT_EQ(Frame("a X {5+}\r\n12345 7890x\r\nb NOOP\r\n", limits).back(), (Framed{Kind::kCommand, "b NOOP"}));
  EXPECT_EQ(Frame("a X {5+}\r\n12345 {5+}\r\n12345\r\nb NOOP\r\n", limits).back(), (Framed{Kind::kCommand, "b NOOP"}));
  EXPECT_EQ(Frame("a X {5+}\r\n12345 {5+}\r\n12345\r\nb NOOP\r\n", limits).size(), 2u);
}

TEST(Framer, WhatCannotBeSwallowedIsFatal) {
  const Framer::Limits limits{.literal_bytes_max = 3, .skipped_bytes_max = 100};
  const std::vector<Framed> framed = Frame("a X {101+}\r\nb NOOP\r\n", limits);
  ASSERT_EQ(framed.size(), 2u);
  EXPECT_EQ(framed[0].kind, Kind::kError);
  EXPECT_EQ(framed[1].kind, Kind::kFatal);
  Framer framer(limits);
  FrameAll(&framer, "a APPEND x {101+}\r\n", {}, true);
  EXPECT_TRUE(FrameAll(&framer, "b NOOP\r\n").empty()) << "nothing after the end";
}

TEST(Framer, PlainLines) {
  Framer framer({});
  framer.ExpectLine(10);
  EXPECT_EQ(FrameAll(&framer, "DO", {}), (std::vector<Framed>{}));
  EXPECT_TRUE(framer.InCommand());
  EXPECT_EQ(FrameAll(&framer, "NE {3}\r\na NOOP\r\n"),
            (std::vector<Framed>{{Kind::kLine, "DONE {3}"}, {Kind::kCommand, "a NOOP"}}));
  framer.ExpectLine(4);
  EXPECT_EQ(FrameAll(&framer, "1234\r\n"), (std::vector<Framed>{{Kind::kLine, "1234"}}));
  framer.ExpectLine(4);
  EXPECT_EQ(FrameAll(&framer, "12345 {3+}\na NOOP\r\n"),
            (std::vector<Framed>{{Kind::kError, "Error in IMAP command: Too long line."}, {Kind::kCommand, "a NOOP"}}));
}

TEST(Framer, IdleHoldsNothing) {
  Framer framer({});
  std::string_view input = "a LOGIN {40+}\r\n1234567890123456789012345678901234567890 x\r\n";
  Framer::Step step = framer.Next(input.substr(0, 20));
  EXPECT_GT(framer.held_bytes(), 0u);
  step = framer.Next(input.substr(20));
  EXPECT_EQ(step.kind, Kind::kCommand);
  EXPECT_FALSE(framer.InCommand());
  framer.Release();
  EXPECT_EQ(framer.held_bytes(), 0u);
}

}  // namespace
}  // namespace postern::imap
