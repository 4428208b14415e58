#include "core/message/date.h"

#include <array>
#include <cstdlib>

#include "core/base/ascii.h"
#include "core/message/header.h"
#include "core/message/lexer.h"

namespace postern::message {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// All of `text` as a number of `min` to `max` digits.
std::optional<int32_t> Number(std::string_view text, size_t min, size_t max) {
  if (text.size() < min || text.size() > max) return std::nullopt;
  int32_t number = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

// 1..12, 0 for none.
int32_t MonthOf(std::string_view text) {
  for (size_t i = 0; i < kMonths.size(); ++i) {
    if (StartsWithIgnoringCase(text, kMonths[i])) return static_cast<int32_t>(i) + 1;
  }
  return 0;
}

std::optional<int32_t> NumericZone(std::string_view text) {
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto digits = Number(text.substr(1), 4, 4);
  if (!digits) return std::nullopt;
  const int32_t minutes = *digits / 100 * 60 + *digits % 100;
  return text[0] == '-' ? -minutes : minutes;
}

// RFC 5322 section 4.3. Military letters are read as they were meant, not as RFC 822 had them; section 4.3 would have
// them as -0000, Dovecot does not.
int32_t ZoneMinutes(std::string_view text) {
  if (const auto numeric = NumericZone(text)) return *numeric;
  if (text.size() == 1) {
    const char c = static_cast<char>(text[0] & ~0x20);
    if (c >= 'A' && c <= 'I') return (c - 'A' + 1) * 60;
    if (c >= 'K' && c <= 'M') return (c - 'A') * 60;
    if (c >= 'N' && c <= 'Y') return ('M' - c) * 60;
    return 0;
  }
  if (text.size() != 3 || text[2] != 'T') return 0;
  int32_t hours = 0;
  switch (text[0] & ~0x20) {
    case 'E':
      hours = -5;
      break;
    case 'C':
      hours = -6;
      break;
    case 'M':
      hours = -7;
      break;
    case 'P':
      hours = -8;
      break;
    default:
      return 0;
  }
  switch (text[1] & ~0x20) {
    case 'D':
      return (hours + 1) * 60;
    case 'S':
      return hours * 60;
    default:
      return 0;
  }
}

class DateReader {
 public:
  explicit DateReader(std::string_view text) : lexer_(text) {}

  // [weekday ","] day month year hour ":" minute [":" second] [zone]
  std::optional<DateTime> Read() {
    lexer_.SkipCfws();
    if (!ReadDay() || !ReadMonth() || !ReadYear() || !ReadTime()) return std::nullopt;
    DateTime when;
    const auto zone = Atom();
    if (!zone || !IsCivil()) return std::nullopt;
    when.zone_minutes = zone->empty() ? 0 : ZoneMinutes(*zone);
    when.unix_seconds = ToUnixSeconds(civil_) - int64_t{when.zone_minutes} * 60;
    return when;
  }

 private:
  // The next atom; "" at the end; nullopt where something else stands.
  std::optional<std::string_view> Atom() {
    text_.clear();
    if (!lexer_.done() && lexer_.ReadAtom(&text_) == Lexer::Status::kFailed) return std::nullopt;
    return text_;
  }

  bool ReadDay() {
    auto atom = Atom();
    if (atom && atom->size() == 3) {
      if (lexer_.peek() != ',') return false;
      lexer_.skip();
      lexer_.SkipCfws();
      atom = Atom();
    }
    const auto day = atom ? Number(*atom, 1, 2) : std::nullopt;
    if (day) civil_.day = *day;
    return day.has_value();
  }

  bool ReadMonth() {
    const auto atom = Atom();
    civil_.month = atom ? MonthOf(*atom) : 0;
    return civil_.month != 0;
  }

  // RFC 5322 section 4.3 has two digits below 50 in this century; Dovecot below 70, as POSIX.
  bool ReadYear() {
    const auto atom = Atom();
    const auto year = atom ? Number(*atom, 2, 4) : std::nullopt;
    if (!year || atom->size() == 3) return false;
    if (atom->size() == 2) {
      civil_.year = *year + (*year < 70 ? 2000 : 1900);
      return true;
    }
    civil_.year = *year;
    return *year >= 1900;
  }

  // Whether there is such a day and such a time. A leap second counts as the one before.
  bool IsCivil() {
    if (civil_.second == 60) civil_.second = 59;
    if (civil_.hour > 23 || civil_.minute > 59 || civil_.second > 59) return false;
    const CivilTime same = ToCivilTime(ToUnixSeconds(civil_));
    return same.day == civil_.day && same.month == civil_.month;
  }

  bool AtSeparator() const { return lexer_.peek() == ':' || lexer_.peek() == '.'; }

  bool ReadTime() {
    const auto hour_atom = Atom();
    const auto hour = hour_atom ? Number(*hour_atom, 1, 2) : std::nullopt;
    if (!hour || !AtSeparator()) return false;
    civil_.hour = *hour;
    if (!ReadTwoDigits(&civil_.minute)) return false;
    return !AtSeparator() || ReadTwoDigits(&civil_.second);
  }

  bool ReadTwoDigits(int32_t* number) {
    lexer_.skip();
    lexer_.SkipCfws();
    const auto atom = Atom();
    const auto read = atom ? Number(*atom, 2, 2) : std::nullopt;
    if (read) *number = *read;
    return read.has_value();
  }

  Lexer lexer_;
  std::string text_;
  CivilTime civil_;
};

void AppendPadded(int64_t number, int width, char pad, std::string* out) {
  char digits[24];
  int count = 0;
  uint64_t rest = static_cast<uint64_t>(number < 0 ? -number : number);
  do {
    digits[count++] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (number < 0) out->push_back('-');
  for (int i = count; i < width; ++i) out->push_back(pad);
  while (count > 0) out->push_back(digits[--count]);
}

// ` 12:00:00 +0100`
void AppendTimeAndZone(const CivilTime& civil, int32_t zone_minutes, std::string* out) {
  out->push_back(' ');
  AppendPadded(civil.hour, 2, '0', out);
  out->push_back(':');
  AppendPadded(civil.minute, 2, '0', out);
  out->push_back(':');
  AppendPadded(civil.second, 2, '0', out);
  out->append(zone_minutes < 0 ? " -" : " +");
  const int32_t zone = std::abs(zone_minutes);
  AppendPadded(zone / 60, 2, '0', out);
  AppendPadded(zone % 60, 2, '0', out);
}

void AppendMailDate(const DateTime& when, char pad, std::string* out) {
  const CivilTime civil = ToCivilTime(when.local_seconds());
  out->append(kWeekdays[static_cast<size_t>(civil.weekday)]).append(", ");
  AppendPadded(civil.day, 2, pad, out);
  out->push_back(' ');
  out->append(kMonths[static_cast<size_t>(civil.month - 1)]).push_back(' ');
  AppendPadded(civil.year, 4, '0', out);
  AppendTimeAndZone(civil, when.zone_minutes, out);
}

}  // namespace

// Days are counted from 1 March of year 0, so that leap days end a year.
CivilTime ToCivilTime(int64_t unix_seconds) {
  int64_t days = unix_seconds / 86'400;
  int64_t seconds = unix_seconds % 86'400;
  if (seconds < 0) {
    seconds += 86'400;
    --days;
  }
  const int64_t shifted = days + 719'468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  CivilTime civil;
  civil.day = static_cast<int32_t>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  civil.month = static_cast<int32_t>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  civil.year = static_cast<int32_t>(year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0));
  civil.hour = static_cast<int32_t>(seconds / 3'600);
  civil.minute = static_cast<int32_t>(seconds / 60 % 60);
  civil.second = static_cast<int32_t>(seconds % 60);
  civil.weekday = static_cast<int32_t>(((days + 4) % 7 + 7) % 7);
  return civil;
}

int64_t ToUnixSeconds(const CivilTime& civil) {
  const int64_t month_index = int64_t{civil.month} - 1;
  const int64_t carry = month_index >= 0 ? month_index / 12 : -((11 - month_index) / 12);
  const int64_t month = month_index - carry * 12 + 1;
  const int64_t year = int64_t{civil.year} + carry - (month <= 2 ? 1 : 0);
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + int64_t{civil.day} - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  const int64_t days = era * 146'097 + day_of_era - 719'468;
  return days * 86'400 + int64_t{civil.hour} * 3'600 + int64_t{civil.minute} * 60 + civil.second;
}

std::optional<DateTime> ParseDate(std::string_view value) { return DateReader(value).Read(); }

void AppendDate(const DateTime& when, std::string* out) { AppendMailDate(when, '0', out); }

void AppendTraceDate(const DateTime& when, std::string_view zone_name, std::string* out) {
  AppendMailDate(when, ' ', out);
  if (zone_name.empty() && when.zone_minutes == 0) zone_name = "UTC";
  if (!zone_name.empty()) out->append(" (").append(zone_name).push_back(')');
}

void AppendInternalDate(const DateTime& when, std::string* out) {
  const CivilTime civil = ToCivilTime(when.local_seconds());
  AppendPadded(civil.day, 2, '0', out);
  out->push_back('-');
  out->append(kMonths[static_cast<size_t>(civil.month - 1)]).push_back('-');
  AppendPadded(civil.year, 4, '0', out);
  AppendTimeAndZone(civil, when.zone_minutes, out);
}

std::optional<DateTime> ParseInternalDate(std::string_view text) {
  // RFC 9051 section 9, date-day-fixed: (SP DIGIT) / 2DIGIT.
  const size_t day_bytes = text.find('-');
  if (day_bytes != 1 && day_bytes != 2) return std::nullopt;
  std::string_view day_text = text.substr(0, day_bytes);
  if (day_text.front() == ' ') day_text.remove_prefix(1);
  const std::string_view rest = text.substr(day_bytes);
  if (rest.size() != 24 || rest[4] != '-' || rest[9] != ' ' || rest[12] != ':' || rest[15] != ':' || rest[18] != ' ') {
    return std::nullopt;
  }
  const auto day = Number(day_text, 1, 2);
  const int32_t month = MonthOf(rest.substr(1, 3));
  const auto year = Number(rest.substr(5, 4), 4, 4);
  const auto hour = Number(rest.substr(10, 2), 2, 2);
  const auto minute = Number(rest.substr(13, 2), 2, 2);
  const auto second = Number(rest.substr(16, 2), 2, 2);
  const auto zone = NumericZone(rest.substr(19));
  if (!day || month == 0 || !year || !hour || !minute || !second || !zone) return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const CivilTime civil = {
      .year = *year, .month = month, .day = *day, .hour = *hour, .minute = *minute, .second = *second};
  const CivilTime same = ToCivilTime(ToUnixSeconds({.year = *year, .month = month, .day = *day}));
  if (same.day != *day || same.month != month) return std::nullopt;  // not a day of that month
  return DateTime{.unix_seconds = ToUnixSeconds(civil) - int64_t{*zone} * 60, .zone_minutes = *zone};
}

}  // namespace postern::message
