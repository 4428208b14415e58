// Goal: a header block is cut where Dovecot cuts it, and its subsets are the bytes that were there. Method: RFC 5322's
// folding, then broken lines.
#include "core/message/header.h"

#include <gtest/gtest.h>

#include <vector>

namespace postern::message {
namespace {

struct Read {
  std::string name, middle, value;
  bool operator==(const Read&) const = default;
};
std::vector<Read> ReadAll(std::string_view bytes) {
  std::vector<Read> fields;
  HeaderReader reader(bytes);
  for (Field f; reader.Next(&f);) fields.push_back({std::string(f.name), std::string(f.middle), std::string(f.value)});
  return fields;
}

TEST(Header, CutsFieldsWithTheirFolds) {
  const std::vector<Read> expected = {
      {"Subject", ": ", "a\r\n\tb"}, {"X", ":", "y"}, {"", "", "no colon"}, {"Z", " : ", " two"}, {"E", ":", ""}};
  EXPECT_EQ(ReadAll("Subject: a\r\n\tb\r\nX:y\r\nno colon\r\nZ :  two\r\nE:\r\n\r\nBody: no\r\n"), expected);
}

TEST(Header, EndsAtTheEmptyLineOrAtTheEnd) {
  EXPECT_EQ(HeaderBlock("a: b\r\n\r\nbody"), "a: b\r\n\r\n");
  EXPECT_EQ(HeaderBlock("a: b\n\nbody"), "a: b\n\n");
  EXPECT_EQ(HeaderBlock("\r\nbody"), "\r\n");
  EXPECT_EQ(HeaderBlock("a: b\r\n c"), "a: b\r\n c");
  EXPECT_EQ(HeaderBlock(""), "");
}

TEST(Header, ANameThatIsTooLongIsNone) {
  const std::string name(kFieldNameBytesMax, 'n');
  EXPECT_EQ(ReadAll(name + ": v\r\n")[0].name, name);
  EXPECT_EQ(ReadAll("x" + name + ": v\r\n")[0].name, "");
  EXPECT_EQ(ReadAll("x" + name + ": v\r\n")[0].value, "x" + name + ": v");
}

TEST(Header, UnfoldsAsRfc5322Section223) {
  EXPECT_EQ(Unfolded("  a\r\n  b\r\n\tc"), "a  b\tc");
  EXPECT_EQ(Unfolded("\r\n b"), " b");
  EXPECT_EQ(FirstValue("A: 1\r\na: 2\r\n", "a"), "1");
  EXPECT_EQ(FirstValue("A: 1\r\n", "b").data(), nullptr);
  EXPECT_NE(FirstValue("A:\r\n", "a").data(), nullptr);
}

// RFC 9051 section 6.4.5
TEST(Header, SelectsFields) {
  const std::vector<std::string> names = {"SUBJECT", "to"};
  const std::string_view header = "To : x\r\nSubject: a\r\n b\r\nX: y\r\n\r\n";
  std::string out;
  AppendSelectedFields(header, {.names = names}, &out);
  EXPECT_EQ(out, "To : x\r\nSubject: a\r\n b\r\n\r\n");
  out.clear();
  AppendSelectedFields(header, {.names = names, .matching = false}, &out);
  EXPECT_EQ(out, "X: y\r\n\r\n");
}

TEST(Header, AHeaderWithoutAnEmptyLineGetsOneOnlyWhereDovecotAddsIt) {
  const std::vector<std::string> names = {"Subject"};
  std::string out;
  AppendSelectedFields("Subject: a", {.names = names}, &out);
  EXPECT_EQ(out, "Subject: a\r\n\r\n");
  out.clear();
  AppendSelectedFields("Subject: a", {.names = names, .add_missing_empty_line = false}, &out);
  EXPECT_EQ(out, "Subject: a");
}

}  // namespace
}  // namespace postern::message
