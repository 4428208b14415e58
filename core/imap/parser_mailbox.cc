// SELECT, CREATE, LIST and APPEND (RFC 3501 section 6.3) with their extended arguments.
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "core/base/ascii.h"
#include "core/imap/parser.h"
#include "core/imap/parser_commands.h"

namespace postern::imap {
namespace {

// RFC 7162 section 7: select-param "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids]
// [SP seq-match-data] ")".
bool TakeQResync(Scanner* in, QResync* qresync) {
  constexpr std::string_view kInvalid = "Invalid QRESYNC parameters";
  if (!in->TakeSpace("QRESYNC parameters missing") || !in->TakeListStart(kInvalid)) return false;
  in->SkipSpaces();
  uint64_t uid_validity = 0;
  if (!in->TakeNumber(UINT32_MAX, &uid_validity, kInvalid) || !in->TakeSpace(kInvalid)) return false;
  if (uid_validity == 0 || !in->TakeNumber(INT64_MAX, &qresync->mod_sequence, kInvalid)) return in->Fail(kInvalid);
  qresync->uid_validity = static_cast<uint32_t>(uid_validity);
  bool more = false;
  if (!in->TakeNextInList(&more)) return false;
  if (more && !in->PeekIs('(')) {
    std::string_view uids;
    if (!in->TakeAtom(&uids)) return false;
    qresync->known_uids = NumberSet::Parse(uids);
    if (!qresync->known_uids) return in->Fail("Invalid QRESYNC known-uids");
    if (!in->TakeNextInList(&more)) return false;
  }
  if (!more) return true;
  if (!in->TakeListStart(kInvalid)) return false;
  in->SkipSpaces();
  std::string_view numbers, uids;
  if (!in->TakeAtom(&numbers) || !in->TakeSpace(kInvalid) || !in->TakeAtom(&uids)) return false;
  std::optional<NumberSet> number_set = NumberSet::Parse(numbers), uid_set = NumberSet::Parse(uids);
  if (!number_set) return in->Fail("Invalid QRESYNC known-sequence-set");
  if (!uid_set) return in->Fail("Invalid QRESYNC known-uid-set");
  if (number_set->Count() != uid_set->Count()) return in->Fail("Invalid QRESYNC sets");
  qresync->sequence_match.emplace(*std::move(number_set), *std::move(uid_set));
  if (!in->TakeNextInList(&more)) return false;
  if (more) return in->Fail("Too many parameters to QRESYNC known set");
  if (!in->TakeNextInList(&more)) return false;
  return !more || in->Fail(kInvalid);
}

bool TakeSelectionOptions(Scanner* in, ListCommand* list) {
  if (!in->TakeListStart("Invalid arguments")) return false;
  list->extended = true;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (in->PeekString() || in->PeekIs('(')) return in->Fail("List options contains non-atoms");
    if (in->SkipWord("SUBSCRIBED")) {
      list->select_subscribed = true;
    } else if (in->SkipWord("REMOTE")) {
      list->select_remote = true;
    } else if (in->SkipWord("RECURSIVEMATCH")) {
      list->select_recursive_match = true;
    } else if (in->SkipWord("SPECIAL-USE")) {
      list->select_special_use = true;
    } else {
      return in->Fail("Unknown select options");
    }
  }
  if (!in->error().empty()) return false;
  // RFC 5258 section 3.1: not alone, nor only with REMOTE, which restricts nothing.
  if (list->select_recursive_match && !list->select_subscribed && !list->select_special_use) {
    return in->Fail("RECURSIVEMATCH must not be the only selection");
  }
  return in->TakeSpace("Invalid reference");
}

bool TakeListReturnOptions(Scanner* in, ListCommand* list) {
  if (!in->SkipWord("RETURN") || !in->TakeSpace("Extra arguments")) return in->Fail("Extra arguments");
  if (!in->TakeListStart("Extra arguments")) return false;
  list->extended = true;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (in->PeekString() || in->PeekIs('(')) return in->Fail("List options contains non-atoms");
    if (in->SkipWord("SUBSCRIBED")) {
      list->return_subscribed = true;
    } else if (in->SkipWord("CHILDREN")) {
      list->return_children = true;
    } else if (in->SkipWord("SPECIAL-USE")) {
      list->return_special_use = true;
    } else if (in->SkipWord("STATUS")) {
      constexpr std::string_view kUnknown = "Unknown return options";
      if (!in->TakeSpace(kUnknown)) return false;
      if (!in->PeekIs('(')) return in->Fail(kUnknown);
      if (!TakeStatusItems(in, &list->return_status)) return false;
    } else {
      return in->Fail("Unknown return options");
    }
  }
  return in->error().empty();
}

// All patterns of a LIST are matched against every mailbox's name.
constexpr size_t kPatternBytesMax = 16384;

// mbox-or-pat: one list-mailbox, or (RFC 5258 section 6) several in parentheses.
bool TakePatterns(Scanner* in, ListCommand* list) {
  if (!in->Skip('(')) return in->TakeAString(&list->patterns.emplace_back());
  list->extended = true;
  bool more = false;
  size_t pattern_bytes = 0;
  while (in->TakeNextInList(&more) && more) {
    if (in->PeekIs('(')) return in->Fail("Invalid pattern list");
    if (!in->TakeAString(&list->patterns.emplace_back())) return false;
    pattern_bytes += list->patterns.back().size() + 1;
    if (pattern_bytes > kPatternBytesMax) return in->Fail("Too many patterns");
  }
  if (!in->error().empty()) return false;
  return !list->patterns.empty() || in->Fail("Invalid pattern list");
}

// Exactly two digits at `at`, at most `max`; -1 otherwise.
int TwoDigits(std::string_view text, size_t at, int max) {
  const char tens = text[at], ones = text[at + 1];
  if (tens < '0' || tens > '9' || ones < '0' || ones > '9') return -1;
  const int value = (tens - '0') * 10 + (ones - '0');
  return value <= max ? value : -1;
}

}  // namespace

bool TakeSelectArguments(Scanner* in, SelectCommand* select) {
  if (!TakeMailbox(in, &select->mailbox)) return false;
  if (!in->PeekIs(' ') || in->AtEnd()) return in->TakeEnd();
  if (!in->TakeListStart()) return false;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (in->PeekString() || in->PeekIs('(')) return in->Fail("SELECT options contain non-atoms");
    if (in->SkipWord("CONDSTORE")) {
      select->condstore = true;
    } else if (in->SkipWord("QRESYNC")) {
      if (!TakeQResync(in, &select->qresync.emplace())) return false;
    } else {
      return in->Fail("Unknown select options");
    }
  }
  return in->error().empty() && in->TakeEnd();
}

// RFC 6154 section 6: create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")".
bool TakeCreateArguments(Scanner* in, CreateCommand* create) {
  if (!TakeMailbox(in, &create->mailbox)) return false;
  if (!in->PeekIs(' ') || in->AtEnd()) return in->TakeEnd();
  if (!in->TakeListStart()) return false;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (!in->SkipWord("USE")) return in->Fail("Unknown CREATE parameter");
    if (!in->TakeSpace() || !in->TakeListStart()) return false;
    while (in->TakeNextInList(&more) && more) {
      std::string_view attribute;
      if (!in->TakeAtom(&attribute)) return false;
      if (attribute.size() < 2 || attribute.front() != '\\') return in->Fail("Invalid USE attribute");
      create->special_use.emplace_back(attribute);
    }
    if (!in->error().empty()) return false;
  }
  return in->error().empty() && in->TakeEnd();
}

bool TakeListArguments(Scanner* in, ListCommand* list) {
  const bool plain = list->kind != ListCommand::Kind::kList;
  if (in->PeekIs('(')) {
    if (plain) return in->Fail("Invalid reference");
    if (!TakeSelectionOptions(in, list)) return false;
  }
  if (!in->TakeAString(&list->reference) || !in->TakeSpace("Invalid pattern")) return false;
  if (plain && in->PeekIs('(')) return in->Fail("Invalid pattern");
  if (!TakePatterns(in, list)) return false;
  if (!plain && in->PeekIs(' ') && !in->AtEnd() && !TakeListReturnOptions(in, list)) return false;
  return in->TakeEnd("Extra arguments");
}

bool TakeAppendArguments(Scanner* in, AppendCommand* append) {
  return TakeMailbox(in, &append->mailbox) && in->TakeSpace("Missing message size") &&
         TakeAppendMessage(in, &append->first);
}

bool TakeAppendMessage(Scanner* in, AppendMessage* message) {
  if (in->PeekIs('(') && (!TakeFlagList(in, &message->flags) || !in->TakeSpace())) return false;
  if (in->PeekIs('"')) {
    std::string text;
    if (!in->TakeString(&text)) return false;
    message->date_time = ParseDateTime(text);
    if (!message->date_time) return in->Fail("Invalid internal date");
    if (!in->TakeSpace()) return false;
  }
  // RFC 6855 section 4: append-data-ext = "UTF8" SP "(" literal8 ")".
  message->utf8 = in->SkipWord("UTF8");
  if (message->utf8 && (!in->TakeSpace() || !in->TakeListStart())) return false;
  if (!in->TakeLastLiteral(&message->literal_bytes, &message->binary)) return false;
  return !message->utf8 || message->binary || in->Fail("Invalid arguments");
}

// RFC 3501 section 9: date-time = date-day-fixed "-" date-month "-" date-year SP time SP zone.
std::optional<DateTime> ParseDateTime(std::string_view text) {
  std::array<char, 26> fixed;
  if (text.size() == fixed.size() - 1) {  // a day of one digit without its space: Dovecot takes it
    fixed[0] = '0';
    text.copy(fixed.data() + 1, text.size());
  } else if (text.size() == fixed.size()) {
    text.copy(fixed.data(), text.size());
    if (fixed[0] == ' ') fixed[0] = '0';
  } else {
    return std::nullopt;
  }
  const std::string_view date(fixed.data(), fixed.size());
  constexpr std::string_view kShape = "00-aaa-0000 00:00:00 +0000";
  for (size_t i = 0; i < kShape.size(); ++i) {
    const char c = date[i];
    const bool fits = kShape[i] == '0'   ? c >= '0' && c <= '9'
                      : kShape[i] == 'a' ? UpperAscii(c) >= 'A' && UpperAscii(c) <= 'Z'
                      : kShape[i] == '+' ? c == '+' || c == '-'
                                         : c == kShape[i];
    if (!fits) return std::nullopt;
  }
  constexpr std::string_view kMonths = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
  SearchDate day;
  for (int8_t month = 0; month < 12; ++month) {
    if (EqualsIgnoringCase(date.substr(3, 3), kMonths.substr(static_cast<size_t>(month) * 3, 3))) day.month = month + 1;
  }
  day.day = static_cast<int8_t>(TwoDigits(date, 0, 31));
  day.year = static_cast<int16_t>(TwoDigits(date, 7, 99) * 100 + TwoDigits(date, 9, 99));
  const int hour = TwoDigits(date, 12, 23), minute = TwoDigits(date, 15, 59), second = TwoDigits(date, 18, 60);
  const int zone_hour = TwoDigits(date, 22, 23), zone_minute = TwoDigits(date, 24, 59);
  if (day.month == 0 || day.day < 1 || hour < 0 || minute < 0 || second < 0 || zone_hour < 0 || zone_minute < 0) {
    return std::nullopt;
  }
  const int zone = (zone_hour * 60 + zone_minute) * (date[21] == '-' ? -1 : 1);
  return DateTime{day.DayNumber() * 86400 + hour * 3600 + minute * 60 + second - zone * 60, static_cast<int16_t>(zone)};
}

}  // namespace postern::imap
