#include "core/imap/response.h"

#include <algorithm>
#include <charconv>

#include "core/base/ascii.h"
#include "core/imap/mailbox_name.h"

namespace postern::imap {
namespace {

// Longer strings are literals: a client reads those without looking at each byte. A guess.
constexpr size_t kQuotedBytesMax = 1024;

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// RFC 3501 section 9: ASTRING-CHAR.
bool IsAStringChar(char c) {
  return c > ' ' && c < 0x7f && std::string_view("(){%*\"\\").find(c) == std::string_view::npos;
}

void AppendTwoDigits(int number, std::string* out) {
  out->push_back(static_cast<char>('0' + number / 10));
  out->push_back(static_cast<char>('0' + number % 10));
}

struct Civil {
  int year, month, day;
};

// The inverse of SearchDate::DayNumber().
Civil CivilOf(int64_t day_number) {
  const int64_t z = day_number + 719468;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const int64_t day_of_era = z - era * 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const auto month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {static_cast<int>(year_of_era + era * 400 + (month <= 2 ? 1 : 0)), month,
          static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1)};
}

// Both halves of a COPYUID, for numbers that need not rise: runs of consecutive ones become ranges.
void AppendInOrder(std::span<const uint32_t> numbers, std::string* out) {
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && uint64_t{numbers[end]} == uint64_t{numbers[end - 1]} + 1) ++end;
    if (i > 0) out->push_back(',');
    AppendNumber(numbers[i], out);
    if (end - i > 1) {
      out->push_back(':');
      AppendNumber(numbers[end - 1], out);
    }
    i = end;
  }
}

}  // namespace

void AppendNumber(uint64_t number, std::string* out) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out->append(digits, end.ptr);
}

bool IsQuotable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte < 0x80 && c != '\0' && c != '\r' && c != '\n';
  });
}

void AppendQuoted(std::string_view text, std::string* out) {
  out->push_back('"');
  while (true) {
    const size_t plain = std::min(text.find_first_of("\"\\"), text.size());
    out->append(text.substr(0, plain));
    if (plain == text.size()) break;
    out->push_back('\\');
    out->push_back(text[plain]);
    text.remove_prefix(plain + 1);
  }
  out->push_back('"');
}

void AppendLiteralHeader(uint64_t bytes, std::string* out) {
  out->push_back('{');
  AppendNumber(bytes, out);
  out->append("}\r\n");
}

void AppendLiteral8Header(uint64_t bytes, std::string* out) {
  out->push_back('~');
  AppendLiteralHeader(bytes, out);
}

void AppendString(std::string_view text, std::string* out) {
  if (text.size() <= kQuotedBytesMax && IsQuotable(text)) return AppendQuoted(text, out);
  AppendLiteralHeader(text.size(), out);
  const size_t begin = out->size();
  out->append(text);
  std::replace(out->begin() + static_cast<ptrdiff_t>(begin), out->end(), '\0', '\x80');
}

void AppendNString(std::optional<std::string_view> text, std::string* out) {
  if (!text) {
    out->append("NIL");
    return;
  }
  AppendString(*text, out);
}

void AppendAString(std::string_view text, std::string* out) {
  const bool atom = !text.empty() && std::all_of(text.begin(), text.end(), IsAStringChar);
  // "NIL" would be read as no string where an nstring may stand; quoted it is the same everywhere.
  const bool nil = EqualsIgnoringCase(text, "NIL");
  if (!atom || nil) return AppendString(text, out);
  out->append(text);
}

void AppendMailbox(std::string_view mutf7, std::string* out) { AppendAString(mutf7, out); }

void AppendDateTime(const DateTime& when, std::string* out) {
  const int64_t local = when.unix_seconds + int64_t{when.zone_minutes} * 60;
  const int64_t day_number = (local >= 0 ? local : local - 86399) / 86400;
  const auto second_of_day = static_cast<int>(local - day_number * 86400);
  Civil civil = CivilOf(day_number);
  civil.year = std::clamp(civil.year, 0, 9999);  // what date-year can say
  out->push_back('"');
  if (civil.day < 10) {
    out->push_back(' ');
    AppendNumber(static_cast<uint64_t>(civil.day), out);
  } else {
    AppendTwoDigits(civil.day, out);
  }
  out->append("-").append(kMonths[civil.month - 1]).append("-");
  AppendTwoDigits(civil.year / 100, out);
  AppendTwoDigits(civil.year % 100, out);
  out->push_back(' ');
  AppendTwoDigits(second_of_day / 3600, out);
  out->push_back(':');
  AppendTwoDigits(second_of_day / 60 % 60, out);
  out->push_back(':');
  AppendTwoDigits(second_of_day % 60, out);
  out->append(when.zone_minutes < 0 ? " -" : " +");
  const int zone = when.zone_minutes < 0 ? -when.zone_minutes : when.zone_minutes;
  AppendTwoDigits(zone / 60 % 100, out);
  AppendTwoDigits(zone % 60, out);
  out->push_back('"');
}

std::string_view SystemFlagName(Flags flag) {
  switch (flag) {
    case kAnswered:
      return "\\Answered";
    case kFlagged:
      return "\\Flagged";
    case kDeleted:
      return "\\Deleted";
    case kSeen:
      return "\\Seen";
    case kDraft:
      return "\\Draft";
    case kRecent:
      return "\\Recent";
    default:
      return "";
  }
}

void AppendFlagList(Flags system_flags, std::span<const std::string> keywords, std::string* out, bool star) {
  out->push_back('(');
  const size_t begin = out->size();
  const auto add = [&](std::string_view flag) {
    if (out->size() > begin) out->push_back(' ');
    out->append(flag);
  };
  for (const Flags flag : kSystemFlags) {
    if (system_flags & flag) add(SystemFlagName(flag));
  }
  for (const std::string& keyword : keywords) add(keyword);
  if (star) add("\\*");
  out->push_back(')');
}

void AppendFlagList(const FlagList& flags, std::string* out) { AppendFlagList(flags.system, flags.keywords, out); }

std::string_view ConditionName(Condition condition) {
  switch (condition) {
    case Condition::kOk:
      return "OK";
    case Condition::kNo:
      return "NO";
    case Condition::kBad:
      return "BAD";
    case Condition::kPreAuth:
      return "PREAUTH";
    case Condition::kBye:
      return "BYE";
  }
  return "BAD";
}

void AppendStatusLine(std::string_view tag, Condition condition, std::string_view code, std::string_view text,
                      std::string* out) {
  out->append(tag).append(" ").append(ConditionName(condition)).append(" ");
  if (!code.empty()) out->append("[").append(code).append("] ");
  // RFC 3501 section 9: text = 1*TEXT-CHAR, which are 7-bit; RFC 9051 section 9 has UTF-8 as well, and Dovecot sends
  // it. One that begins like a code would be taken for one.
  if (text.empty()) out->push_back('.');
  if (code.empty() && !text.empty() && text.front() == '[') out->push_back(' ');
  while (!text.empty()) {
    std::string_view rest = text;
    const std::optional<uint32_t> c = TakeUtf8(&rest);
    const bool shown = c && *c >= ' ' && *c != 0x7f;
    const size_t bytes = c ? text.size() - rest.size() : 1;
    if (shown) {
      out->append(text.substr(0, bytes));
    } else {
      out->push_back('?');
    }
    text.remove_prefix(bytes);
  }
  out->append("\r\n");
}

void AppendContinuation(std::string_view text, std::string* out) { out->append("+ ").append(text).append("\r\n"); }

void AppendNumberLine(uint64_t number, std::string_view name, std::string* out) {
  out->append("* ");
  AppendNumber(number, out);
  out->append(" ").append(name).append("\r\n");
}

void AppendCapabilityLine(std::span<const std::string_view> capabilities, std::string* out) {
  out->append("* CAPABILITY");
  for (const std::string_view capability : capabilities) out->append(" ").append(capability);
  out->append("\r\n");
}

void AppendCode(std::string_view name, uint64_t number, std::string* out) {
  out->append(name).append(" ");
  AppendNumber(number, out);
}

void AppendPermanentFlags(const FlagList& flags, bool star, std::string* out) {
  out->append("PERMANENTFLAGS ");
  AppendFlagList(flags.system, flags.keywords, out, star);
}

void AppendAppendUid(uint32_t uid_validity, const NumberSet& uids, std::string* out) {
  AppendCode("APPENDUID", uid_validity, out);
  out->push_back(' ');
  uids.Format(out);
}

void AppendCopyUid(uint32_t uid_validity, const NumberSet& from, const NumberSet& to, std::string* out) {
  AppendCode("COPYUID", uid_validity, out);
  out->push_back(' ');
  from.Format(out);
  out->push_back(' ');
  to.Format(out);
}

void AppendCopyUid(uint32_t uid_validity, std::span<const uint32_t> from, std::span<const uint32_t> to,
                   std::string* out) {
  AppendCode("COPYUID", uid_validity, out);
  out->push_back(' ');
  AppendInOrder(from, out);
  out->push_back(' ');
  AppendInOrder(to, out);
}

void AppendSection(const Section& section, std::string* out) {
  for (size_t i = 0; i < section.part.size(); ++i) {
    if (i > 0) out->push_back('.');
    AppendNumber(section.part[i], out);
  }
  if (section.text == Section::Text::kNone) return;
  if (!section.part.empty()) out->push_back('.');
  switch (section.text) {
    case Section::Text::kNone:
      return;
    case Section::Text::kHeader:
      out->append("HEADER");
      return;
    case Section::Text::kText:
      out->append("TEXT");
      return;
    case Section::Text::kMime:
      out->append("MIME");
      return;
    case Section::Text::kHeaderFields:
      out->append("HEADER.FIELDS (");
      break;
    case Section::Text::kHeaderFieldsNot:
      out->append("HEADER.FIELDS.NOT (");
      break;
  }
  for (size_t i = 0; i < section.header_names.size(); ++i) {
    if (i > 0) out->push_back(' ');
    AppendAString(section.header_names[i], out);
  }
  out->push_back(')');
}

void AppendFetchItemName(const FetchItem& item, std::string* out) {
  const auto sectioned = [&](std::string_view name) {
    out->append(name).append("[");
    AppendSection(item.section, out);
    out->push_back(']');
    if (!item.partial) return;
    out->push_back('<');
    AppendNumber(item.partial->offset_bytes, out);
    out->push_back('>');
  };
  switch (item.kind) {
    case FetchItem::Kind::kEnvelope:
      out->append("ENVELOPE");
      return;
    case FetchItem::Kind::kFlags:
      out->append("FLAGS");
      return;
    case FetchItem::Kind::kInternalDate:
      out->append("INTERNALDATE");
      return;
    case FetchItem::Kind::kUid:
      out->append("UID");
      return;
    case FetchItem::Kind::kModSeq:
      out->append("MODSEQ");
      return;
    case FetchItem::Kind::kBody:
      out->append("BODY");
      return;
    case FetchItem::Kind::kBodyStructure:
      out->append("BODYSTRUCTURE");
      return;
    case FetchItem::Kind::kRfc822:
      out->append("RFC822");
      return;
    case FetchItem::Kind::kRfc822Header:
      out->append("RFC822.HEADER");
      return;
    case FetchItem::Kind::kRfc822Text:
      out->append("RFC822.TEXT");
      return;
    case FetchItem::Kind::kRfc822Size:
      out->append("RFC822.SIZE");
      return;
    case FetchItem::Kind::kSaveDate:
      out->append("SAVEDATE");
      return;
    case FetchItem::Kind::kEmailId:
      out->append("EMAILID");
      return;
    case FetchItem::Kind::kThreadId:
      out->append("THREADID");
      return;
    case FetchItem::Kind::kPreview:
      out->append("PREVIEW");
      return;
    case FetchItem::Kind::kBodySection:
      return sectioned("BODY");
    case FetchItem::Kind::kBinary:
      return sectioned("BINARY");
    case FetchItem::Kind::kBinarySize:
      return sectioned("BINARY.SIZE");
  }
}

std::string_view StatusItemName(StatusItem item) {
  switch (item) {
    case kStatusMessages:
      return "MESSAGES";
    case kStatusRecent:
      return "RECENT";
    case kStatusUidNext:
      return "UIDNEXT";
    case kStatusUidValidity:
      return "UIDVALIDITY";
    case kStatusUnseen:
      return "UNSEEN";
    case kStatusHighestModSeq:
      return "HIGHESTMODSEQ";
    case kStatusSize:
      return "SIZE";
    case kStatusDeleted:
      return "DELETED";
    case kStatusDeletedStorage:
      return "DELETED-STORAGE";
    case kStatusAppendLimit:
      return "APPENDLIMIT";
    case kStatusMailboxId:
      return "MAILBOXID";
  }
  return "";
}

}  // namespace postern::imap
