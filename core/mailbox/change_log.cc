#include "core/mailbox/change_log.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/boundary/planted.h"

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
      log->messages[uid] = message;
      log->highest = std::max(log->highest, message.modseq);
      return true;
    }
    case 'X':
      if (!TakeField(&record, &uid) || !TakeField(&record, &modseq)) return false;
      log->messages.erase(uid);
      log->expunged.emplace_back(uid, modseq);
      log->highest = std::max(log->highest, modseq);
      return true;
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
    std::from_chars(line.data() + crc_at + 1, line.data() + line.size(), crc, 16);
    const bool good = crc == Crc32c(line.substr(0, crc_at)) || PLANTED("change_log_torn_record_accepted");
    if (!good || !ApplyRecord(line.substr(0, crc_at), &log)) break;
    at = end + 1;
  }
  log.parsed_bytes = at;
  log.torn = at != text.size();
  if (log.torn) log.closed_in_order = false;
  return log;
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
