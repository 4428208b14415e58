#include "core/mailbox/change_log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace postern::mailbox {
namespace {

constexpr std::string_view kMagic = "postern-changes 1 V";

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82f63b78 : 0);  // Castagnoli, reflected
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = MakeCrcTable();

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

void Number(uint64_t value, int base, std::string* out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
  out->append(digits, end);
}

// Ends the record that began at `start`.
void Seal(size_t start, std::string* out) {
  const uint32_t crc = Crc32c(std::string_view(*out).substr(start));
  *out += ' ';
  Number(crc, 16, out);
  *out += '\n';
}

template <class T>
bool TakeField(std::string_view* line, T* value, int base = 10) {
  if (line->empty() || line->front() != ' ') return false;
  line->remove_prefix(1);
  const auto [end, error] = std::from_chars(line->data(), line->data() + line->size(), *value, base);
  if (error != std::errc()) return false;
  line->remove_prefix(static_cast<size_t>(end - line->data()));
  return true;
}

// In the list of messages while it grows: this UID is gone.
constexpr uint64_t kExpungedMark = UINT64_MAX;

// Leaves the last record of each UID, in order of UID.
void SettleMessages(ChangeLog* log) {
  std::vector<LoggedMessage>* messages = &log->messages;
  for (size_t i = 0; i < log->base_count; ++i)
    (*messages)[i].modseq = std::max((*messages)[i].modseq, log->base_modseq);
  std::vector<size_t> order(messages->size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto uid_of = [&](size_t i) { return (*messages)[i].uid; };
  const auto before = [&](size_t a, size_t b) { return uid_of(a) != uid_of(b) ? uid_of(a) < uid_of(b) : a < b; };
  if (!std::is_sorted(order.begin(), order.end(), before)) std::sort(order.begin(), order.end(), before);
  std::vector<LoggedMessage> kept;
  kept.reserve(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const bool last = i + 1 == order.size() || uid_of(order[i + 1]) != uid_of(order[i]);
    if (last && (*messages)[order[i]].modseq != kExpungedMark) kept.push_back((*messages)[order[i]]);
  }
  *messages = std::move(kept);
}

bool ApplyRecord(std::string_view record, ChangeLog* log) {
  const char type = record.empty() ? '\0' : record[0];
  record.remove_prefix(std::min<size_t>(record.size(), 1));
  uint32_t uid = 0;
  uint64_t modseq = 0;
  log->closed_in_order = false;
  switch (type) {
    case 'C':
      if (!TakeField(&record, &modseq)) return false;
      log->ceiling = std::max(log->ceiling, modseq);
      return true;
    case 'F': {
      LoggedMessage message;
      if (!TakeField(&record, &uid) || !TakeField(&record, &message.modseq) || !TakeField(&record, &message.flags) ||
          !TakeField(&record, &message.keywords, 16)) {
        return false;
      }
      message.uid = uid;
      log->messages.push_back(message);
      log->next_uid = std::max(log->next_uid, uid + 1);
      log->highest = std::max(log->highest, message.modseq);
      return true;
    }
    case 'X':
      if (!TakeField(&record, &uid) || !TakeField(&record, &modseq)) return false;
      log->messages.push_back({.modseq = kExpungedMark, .uid = uid});
      log->expunged.emplace_back(uid, modseq);
      log->next_uid = std::max(log->next_uid, uid + 1);
      log->highest = std::max(log->highest, modseq);
      return true;
    case 'B':
      if (!TakeField(&record, &modseq)) return false;
      log->base_modseq = std::max(log->base_modseq, modseq);  // they only grow: the last one counts for all before it
      log->base_count = log->messages.size();
      log->highest = std::max(log->highest, modseq);
      return true;
    case 'M':
      if (!TakeField(&record, &uid) || record.empty()) return false;
      log->next_uid = std::max(log->next_uid, uid);
      log->guid = record.substr(1);
      return true;
    case 'H':
      return TakeField(&record, &log->expunged_since);
    case 'K': {
      int index = 0;
      if (!TakeField(&record, &index) || record.empty() || index < 0 || index >= kKeywordCountMax) return false;
      log->keyword_names[index] = record.substr(1);
      return true;
    }
    case 'E':
      if (!TakeField(&record, &modseq)) return false;
      log->highest = std::max(log->highest, modseq);
      log->ceiling = std::max(log->ceiling, log->highest);
      log->closed_in_order = true;
      return true;
    default:
      return false;
  }
}

}  // namespace

ChangeLog ParseChangeLog(std::string_view text) {
  ChangeLog log;
  log.torn = !text.empty();
  if (!text.starts_with(kMagic)) return log;
  const size_t header_end = text.find('\n');
  if (header_end == std::string_view::npos) return log;
  std::from_chars(text.data() + kMagic.size(), text.data() + header_end, log.uidvalidity);
  size_t at = header_end + 1;
  while (at < text.size()) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(at, end - at);
    const size_t crc_at = line.rfind(' ');
    uint32_t crc = 0;
    if (crc_at == std::string_view::npos) break;
    const auto crc_end = std::from_chars(line.data() + crc_at + 1, line.data() + line.size(), crc, 16).ptr;
    if (crc_end != line.data() + line.size()) break;
    if (crc != Crc32c(line.substr(0, crc_at)) || !ApplyRecord(line.substr(0, crc_at), &log)) break;
    at = end + 1;
  }
  SettleMessages(&log);
  log.parsed_bytes = at;
  log.torn = at != text.size();
  if (log.torn) log.closed_in_order = false;
  return log;
}

const LoggedMessage* FindLogged(const ChangeLog& log, uint32_t uid) {
  const auto found =
      std::lower_bound(log.messages.begin(), log.messages.end(), uid,
                       [](const LoggedMessage& message, uint32_t wanted) { return message.uid < wanted; });
  return found != log.messages.end() && found->uid == uid ? &*found : nullptr;
}

std::string ChangeLogHeader(uint32_t uidvalidity) {
  std::string text(kMagic);
  Number(uidvalidity, 10, &text);
  return text + "\n";
}

void AppendCeiling(uint64_t modseq, std::string* out) {
  const size_t start = out->size();
  *out += "C ";
  Number(modseq, 10, out);
  Seal(start, out);
}

void AppendFlags(uint32_t uid, const LoggedMessage& message, std::string* out) {
  const size_t start = out->size();
  *out += "F ";
  Number(uid, 10, out);
  *out += ' ';
  Number(message.modseq, 10, out);
  *out += ' ';
  Number(message.flags, 10, out);
  *out += ' ';
  Number(message.keywords, 16, out);
  Seal(start, out);
}

void AppendExpunged(uint32_t uid, uint64_t modseq, std::string* out) {
  const size_t start = out->size();
  *out += "X ";
  Number(uid, 10, out);
  *out += ' ';
  Number(modseq, 10, out);
  Seal(start, out);
}

void AppendBase(uint64_t modseq, std::string* out) {
  const size_t start = out->size();
  *out += "B ";
  Number(modseq, 10, out);
  Seal(start, out);
}

void AppendHead(uint32_t next_uid, std::string_view guid, std::string* out) {
  const size_t start = out->size();
  *out += "M ";
  Number(next_uid, 10, out);
  *out += ' ';
  *out += guid;
  Seal(start, out);
}

void AppendHistory(uint64_t since_modseq, std::string* out) {
  const size_t start = out->size();
  *out += "H ";
  Number(since_modseq, 10, out);
  Seal(start, out);
}

void AppendKeyword(int index, std::string_view name, std::string* out) {
  const size_t start = out->size();
  *out += "K ";
  Number(static_cast<uint64_t>(index), 10, out);
  *out += ' ';
  *out += name;
  Seal(start, out);
}

void AppendClosed(uint64_t highest, std::string* out) {
  const size_t start = out->size();
  *out += "E ";
  Number(highest, 10, out);
  Seal(start, out);
}

}  // namespace postern::mailbox
