#include "core/mailbox/uidlist.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace postern::mailbox {
namespace {

bool TakeNumber(std::string_view* text, uint32_t* value) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *value);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

bool ParseHeader(std::string_view line, UidList* list, bool* version_1) {
  if (line.starts_with("1 ")) {
    *version_1 = true;
    line.remove_prefix(2);
    if (!TakeNumber(&line, &list->uidvalidity) || !line.starts_with(' ')) return false;
    line.remove_prefix(1);
    return TakeNumber(&line, &list->next_uid) && list->uidvalidity != 0;
  }
  if (!line.starts_with("3 ")) return false;
  line.remove_prefix(2);
  while (!line.empty()) {
    const std::string_view item = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), item.size() + 1));
    if (item.empty()) continue;
    std::string_view value = item.substr(1);
    if (item[0] == 'V') {
      if (!TakeNumber(&value, &list->uidvalidity)) return false;
    } else if (item[0] == 'N') {
      if (!TakeNumber(&value, &list->next_uid)) return false;
    } else if (item[0] == 'G') {
      list->guid = value;
    } else {
      list->other_items += ' ';
      list->other_items += item;
    }
  }
  return list->uidvalidity != 0;
}

// One record without its line end; false: it is none.
bool ParseRecord(std::string_view line, bool version_1, UidRecord* record) {
  if (!TakeNumber(&line, &record->uid) || record->uid == 0 || record->uid == UINT32_MAX) return false;
  const size_t name_at = version_1 ? line.find(' ') : line.find(" :");
  if (name_at == std::string_view::npos || (version_1 && name_at != 0)) return false;
  if (!version_1) {
    record->items = line.substr(0, name_at);
    if (!record->items.empty() && record->items[0] != ' ') return false;
  }
  const std::string_view name = line.substr(name_at + (version_1 ? 1 : 2));
  record->base = name.substr(0, name.find(':'));
  return !record->base.empty() && line.find('\0') == std::string_view::npos &&
         record->base.find('/') == std::string::npos;
}

// Behind the end of what is readable a power loss may have left whole records: their UIDs are not given out again.
uint32_t LastUidIn(std::string_view rest, bool version_1, uint32_t last) {
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    UidRecord record;
    if (ParseRecord(rest.substr(0, end), version_1, &record)) last = std::max(last, record.uid);
    rest.remove_prefix(end + 1);
  }
  return last;
}

}  // namespace

StatusOr<UidList> ParseUidList(std::string_view text) {
  UidList list;
  bool version_1 = false;
  const size_t header_end = text.find('\n');
  if (header_end == std::string_view::npos || !ParseHeader(text.substr(0, header_end), &list, &version_1)) {
    return DataLoss("dovecot-uidlist: broken header");
  }
  size_t at = header_end + 1;
  uint32_t last = 0;
  while (at < text.size()) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;  // a record that was never completed
    const std::string_view line = text.substr(at, end - at);
    UidRecord record;
    if (!ParseRecord(line, version_1, &record) || record.uid <= last) {
      // Zeros are what a power loss leaves of an append that was not flushed: no UID behind them was ever shown.
      if (line.find('\0') != std::string_view::npos) break;
      return DataLoss("dovecot-uidlist: no record, or UIDs do not ascend, after " + std::to_string(last));
    }
    last = record.uid;
    list.records.push_back(std::move(record));
    at = end + 1;
  }
  list.parsed_bytes = at;
  last = LastUidIn(text.substr(at), version_1, last);
  list.next_uid = std::max(list.next_uid, last + 1);
  list.needs_rewrite = version_1 || list.guid.size() != 32 || at != text.size();
  return list;
}

uint32_t UidValidityIn(std::string_view text) {
  UidList list;
  bool version_1 = false;
  ParseHeader(text.substr(0, text.find('\n')), &list, &version_1);
  return list.uidvalidity;
}

void AppendUidRecord(const UidRecord& record, std::string* out) {
  *out += std::to_string(record.uid);
  *out += record.items;
  *out += " :";
  *out += record.base;
  *out += '\n';
}

uint32_t NextUidIn(std::string_view text) {
  UidList list;
  bool version_1 = false;
  const size_t end = text.find('\n');
  ParseHeader(text.substr(0, end), &list, &version_1);
  return std::max(list.next_uid, LastUidIn(text.substr(std::min(end, text.size())), version_1, 0) + 1);
}

std::string FormatUidList(const UidList& list) {
  std::string text = "3 V" + std::to_string(list.uidvalidity) + " N" + std::to_string(list.next_uid) + " G" +
                     list.guid + list.other_items + "\n";
  for (const UidRecord& record : list.records) AppendUidRecord(record, &text);
  return text;
}

bool UidItem(std::string_view items, char key, std::string_view* value) {
  while (!items.empty()) {
    items.remove_prefix(std::min(items.find_first_not_of(' '), items.size()));
    const std::string_view item = items.substr(0, items.find(' '));
    items.remove_prefix(item.size());
    if (!item.empty() && item[0] == key) {
      *value = item.substr(1);
      return true;
    }
  }
  return false;
}

// The year 2000: dovecot-uidvalidity begins with the time.
constexpr uint32_t kUidValidityPlausible = 946684800;

uint32_t NextUidValidity(std::string_view file_text, int64_t now_seconds) {
  uint32_t last = 0;
  std::from_chars(file_text.data(), file_text.data() + std::min<size_t>(file_text.size(), 8), last, 16);
  // At most 2^31-1: some clients read it as a signed number.
  const uint32_t now = static_cast<uint32_t>(std::clamp<int64_t>(now_seconds, 1, INT32_MAX - 1));
  // Dovecot's rule: the next number, whatever the clock says. What no clock can have begun with says nothing.
  if (last < kUidValidityPlausible || last >= INT32_MAX) return now;
  return last + 1;
}

}  // namespace postern::mailbox
