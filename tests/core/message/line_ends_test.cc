// Goal: sizes and ranges count CRLF line ends, whatever is on disk. Method: the few byte sequences that matter.
#include "core/message/line_ends.h"

#include <gtest/gtest.h>

namespace postern::message {
namespace {

TEST(LineEnds, OnlyABareLfGetsACr) {
  EXPECT_EQ(ToCrlf("a\nb\r\nc\rd\n\n"), "a\r\nb\r\nc\rd\r\n\r\n");
  EXPECT_EQ(ToCrlf("\n"), "\r\n");
  EXPECT_EQ(ToCrlf("\r\r\n"), "\r\r\n");
  EXPECT_EQ(ToCrlf(std::string_view("\0\n", 2)), std::string_view("\0\r\n", 3));
  EXPECT_EQ(CrlfSize("a\nb\r\n"), 6u);
}

TEST(LineEnds, APieceMayEndBetweenCrAndLf) {
  CrlfCounter counter;
  counter.Feed("a\r");
  counter.Feed("");
  counter.Feed("\nb\n");
  EXPECT_EQ(counter.crlf_bytes(), 6u);
  EXPECT_EQ(counter.bytes(), 5u);
  EXPECT_EQ(counter.lines(), 2u);
  EXPECT_EQ(counter.bare_lf_count(), 1u);
}

TEST(LineEnds, ARangeMayBeginAtTheCrThatIsNotThere) {
  for (uint64_t begin = 0; begin <= 6; ++begin) {
    for (uint64_t end = begin; end <= 7; ++end) {
      CrlfReader reader(begin, end);
      std::string out;
      reader.Feed("a\nb\nc", &out);  // a CR LF b CR LF c
      EXPECT_EQ(out, std::string("a\r\nb\r\nc").substr(begin, end - begin)) << begin << " " << end;
      EXPECT_EQ(reader.done(), reader.resume().crlf_bytes >= end);
    }
  }
}

TEST(LineEnds, KnowsWhatNeedsNoConversion) {
  EXPECT_TRUE(HasOnlyCrlf("a\r\nb\r\n"));
  EXPECT_TRUE(HasOnlyCrlf("a\rb"));
  EXPECT_FALSE(HasOnlyCrlf("a\r\nb\n"));
  EXPECT_FALSE(HasOnlyCrlf("\n"));
}

}  // namespace
}  // namespace postern::message
