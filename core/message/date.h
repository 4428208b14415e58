// Dates and times of mail: RFC 5322 section 3.3 (obsolete zones: section 4.3) and IMAP's date-time (RFC 9051 section
// 9). Pure: the zone comes with the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::message {

// A moment, and the zone in which it was written.
struct DateTime {
  int64_t unix_seconds = 0;
  int32_t zone_minutes = 0;  // east of Greenwich
  // The time of day and date as written, as if the zone were UTC: what SENTBEFORE and SENTON compare.
  int64_t local_seconds() const { return unix_seconds + int64_t{zone_minutes} * 60; }
  bool operator==(const DateTime&) const = default;
};

// A civil date of the proleptic Gregorian calendar and a time of day.
struct CivilTime {
  int32_t year = 1970;
  int32_t month = 1;  // 1..12
  int32_t day = 1;    // 1..31
  int32_t hour = 0;
  int32_t minute = 0;
  int32_t second = 0;   // 0..60
  int32_t weekday = 4;  // 0 is Sunday; not read by ToUnixSeconds()
};
CivilTime ToCivilTime(int64_t unix_seconds);
// Days, hours and so on beyond their range carry over.
int64_t ToUnixSeconds(const CivilTime& civil);

// A Date field's value. nullopt where it is none. Lenient as Dovecot: unknown zones are UTC, "." may stand for ":".
std::optional<DateTime> ParseDate(std::string_view value);

// `Mon, 01 Jan 2024 12:00:00 +0100`. Appends.
void AppendDate(const DateTime& when, std::string* out);
// The same with the day in two places and the zone's name, as Postfix writes it into trace fields:
// `Mon,  1 Jan 2024 12:00:00 +0100 (CET)`. "" for no name; UTC is named where the zone is 0 and no name is given.
void AppendTraceDate(const DateTime& when, std::string_view zone_name, std::string* out);

// `01-Jan-2024 12:00:00 +0100`, without quotes: the text of INTERNALDATE. Appends.
void AppendInternalDate(const DateTime& when, std::string* out);
// The same, with a space or a digit before a one-digit day.
std::optional<DateTime> ParseInternalDate(std::string_view text);

}  // namespace postern::message
