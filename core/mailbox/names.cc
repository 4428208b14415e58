#include "core/mailbox/names.h"

#include <algorithm>
#include <charconv>

#include "core/mailbox/account.h"

namespace postern::mailbox {
namespace {

struct Letter {
  char letter;
  Flags flag;
};
constexpr Letter kLetters[] = {{'D', kDraft}, {'F', kFlagged}, {'R', kAnswered}, {'S', kSeen}, {'T', kDeleted}};

// The digits behind `key` (",S="), where they end at ',', ':' or the end of the base.
std::optional<uint64_t> SizeIn(std::string_view base, std::string_view key) {
  const size_t at = base.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view digits = base.substr(at + key.size());
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || (end != digits.data() + digits.size() && *end != ',')) return std::nullopt;
  return value;
}

struct Age {
  uint64_t seconds = 0;
  std::optional<uint64_t> micros;
  std::string_view rest;
};
Age AgeOf(std::string_view base) {
  Age age;
  const auto [end, error] = std::from_chars(base.data(), base.data() + base.size(), age.seconds);
  age.rest = base.substr(static_cast<size_t>(end - base.data()));
  if (age.rest.size() > 2 && age.rest[0] == '.' && age.rest[1] == 'M') {
    uint64_t micros = 0;
    const auto [digits_end, digits_error] =
        std::from_chars(age.rest.data() + 2, age.rest.data() + age.rest.size(), micros);
    if (digits_error == std::errc()) {
      age.micros = micros;
      age.rest = age.rest.substr(static_cast<size_t>(digits_end - age.rest.data()));
    }
  }
  return age;
}

}  // namespace

NameParts ParseName(std::string_view name) {
  NameParts parts;
  const size_t colon = name.rfind(':');  // the last one counts
  parts.base = name.substr(0, colon);
  if (colon != std::string_view::npos && name.substr(colon, 3) == ":2,") {
    parts.has_info = true;
    const std::string_view info = name.substr(colon + 3);
    const size_t comma = info.find(',');
    parts.letters = info.substr(0, comma);
    if (comma != std::string_view::npos) parts.other = info.substr(comma);
  }
  if (parts.base.find(',') == std::string_view::npos) return parts;  // Postfix's virtual(8) says no sizes
  parts.size = SizeIn(parts.base, ",S=");
  parts.crlf_size = SizeIn(parts.base, ",W=");
  return parts;
}

Flags FlagsOf(std::string_view letters) {
  Flags flags = 0;
  for (const Letter& known : kLetters) {
    if (letters.find(known.letter) != std::string_view::npos) flags |= known.flag;
  }
  return flags;
}

Keywords KeywordsOf(std::string_view letters) {
  Keywords keywords = 0;
  for (const char c : letters) {
    if (c >= 'a' && c <= 'z') keywords |= Keywords{1} << (c - 'a');
  }
  return keywords;
}

std::string FormatName(std::string_view base, Flags flags, Keywords keywords, std::string_view old_letters,
                       std::string_view other) {
  std::string letters;
  for (const Letter& known : kLetters) {
    if (flags & known.flag) letters += known.letter;
  }
  for (const char c : old_letters) {
    const bool ours = (c >= 'a' && c <= 'z') || std::any_of(std::begin(kLetters), std::end(kLetters),
                                                            [c](const Letter& known) { return known.letter == c; });
    if (!ours && letters.find(c) == std::string::npos) letters += c;
  }
  for (int i = 0; i < 26; ++i) {
    if (keywords >> i & 1) letters += static_cast<char>('a' + i);
  }
  std::sort(letters.begin(), letters.end());
  std::string name(base);
  name += ":2,";
  name += letters;
  name += other;
  return name;
}

bool NamedBefore(std::string_view base_a, std::string_view base_b) {
  const Age a = AgeOf(base_a), b = AgeOf(base_b);
  if (a.seconds != b.seconds) return a.seconds < b.seconds;
  if (a.micros != b.micros)
    return a.micros < b.micros;  // a name without comes first: one order for all three of any kinds
  return a.rest != b.rest ? a.rest < b.rest : base_a < base_b;
}

UniqueNames::UniqueNames(const NodeFacts& node, uint16_t shard)
    : life_("P" + std::to_string(node.pid) + "R" + std::to_string(node.start_counter) + "Q"),
      tail_(life_ + std::to_string(shard) + "_"),
      host_(node.host_name) {
  for (char& c : host_) {
    if (c == '/' || c == ':' || c == ',' || static_cast<unsigned char>(c) <= ' ') c = '_';
  }
}

bool UniqueNames::MadeInThisLife(std::string_view name) const {
  const size_t at = name.find(life_);
  return at != std::string_view::npos && name.substr(at).find(host_) != std::string_view::npos;
}

std::string UniqueNames::Next(WallTime now) {
  last_us_ = std::max(last_us_ + 1, now.us);
  std::string name = std::to_string(last_us_ / 1'000'000);
  name += ".M";
  name += std::to_string(last_us_ % 1'000'000);
  name += tail_;
  name += std::to_string(++count_);
  name += '.';
  name += host_;
  return name;
}

std::string UniqueNames::Next(WallTime now, uint64_t file_bytes, uint64_t crlf_bytes) {
  return Next(now) + ",S=" + std::to_string(file_bytes) + ",W=" + std::to_string(crlf_bytes);
}

}  // namespace postern::mailbox
