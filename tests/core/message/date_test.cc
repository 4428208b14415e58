// Goal: dates of mail are read as Dovecot reads them. Method: RFC 5322's examples and the forms of old software.
#include "core/message/date.h"

#include <gtest/gtest.h>

namespace postern::message {
namespace {

std::string Read(std::string_view text) {
  const auto when = ParseDate(text);
  if (!when) return "(none)";
  std::string out;
  AppendDate(*when, &out);
  return out;
}

TEST(Date, ReadsRfc5322) {
  EXPECT_EQ(ParseDate("Fri, 21 Nov 1997 09:55:06 -0600"), (DateTime{880'127'706, -360}));
  EXPECT_EQ(Read("Fri, 21 Nov 1997 09:55:06 -0600"), "Fri, 21 Nov 1997 09:55:06 -0600");
  EXPECT_EQ(Read("1 Jan 2024 00:00 +0000"), "Mon, 01 Jan 2024 00:00:00 +0000");
  EXPECT_EQ(Read("Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)"),
            "Thu, 13 Feb 1969 23:32:00 -0330");
  // Section 4.3.
  EXPECT_EQ(Read("21 Nov 97 09:55:06 GMT"), "Fri, 21 Nov 1997 09:55:06 +0000");
  EXPECT_EQ(Read("Fri, 21 Nov 1997 09(comment):   55  :  06 EDT"), "Fri, 21 Nov 1997 09:55:06 -0400");
  EXPECT_EQ(Read("21 Nov 69 09:55:06 Z"), "Thu, 21 Nov 2069 09:55:06 +0000");
}

TEST(Date, IsLenientAsDovecot) {
  EXPECT_EQ(Read("Fri, 21 Nov 1997 9.55.06"), "Fri, 21 Nov 1997 09:55:06 +0000");
  EXPECT_EQ(Read("Fri, 21 November 1997 09:55:06 XYZ"), "Fri, 21 Nov 1997 09:55:06 +0000");
  EXPECT_EQ(Read("Fri, 21 Nov 1997 23:59:60 +0000"), "Fri, 21 Nov 1997 23:59:59 +0000");
}

TEST(Date, RefusesWhatIsNone) {
  for (std::string_view text : {"", "yesterday", "Fri 21 Nov 1997 09:55:06 -0600", "32 Jan 2024 00:00 +0000",
                                "31 Feb 2024 00:00 +0000", "1 Jan 2024 24:00 +0000", "1 Jan 2024 59:10 -0500",
                                "1 Jan 1899 00:00 +0000", "1 Foo 2024 00:00 +0000", "1 Jan 2024"}) {
    EXPECT_EQ(Read(text), "(none)") << text;
  }
}

TEST(Date, KnowsInternalDates) {
  std::string out;
  AppendInternalDate({.unix_seconds = 837'596'665, .zone_minutes = -420}, &out);
  EXPECT_EQ(out, "17-Jul-1996 02:44:25 -0700");  // RFC 9051 section 7.5.2's example
  EXPECT_EQ(ParseInternalDate(out), (DateTime{837'596'665, -420}));
  EXPECT_EQ(ParseInternalDate(" 7-Feb-1994 21:52:25 -0800"), ParseInternalDate("07-Feb-1994 21:52:25 -0800"));
  EXPECT_EQ(ParseInternalDate("30-Feb-2024 00:00:00 +0000"), std::nullopt);
  EXPECT_EQ(ParseInternalDate("01-Jan-2024 24:00:00 +0000"), std::nullopt);
  EXPECT_EQ(ParseInternalDate("01-Jan-2024 00:00:00"), std::nullopt);
}

TEST(Date, WritesTraceDates) {
  std::string out;
  AppendTraceDate({.unix_seconds = 1'706'781'600, .zone_minutes = 60}, "CET", &out);
  EXPECT_EQ(out, "Thu,  1 Feb 2024 11:00:00 +0100 (CET)");
}

}  // namespace
}  // namespace postern::message
