#include "core/imap/mailbox_name.h"

#include <array>
#include <cstdint>

#include "core/base/ascii.h"

namespace postern::imap {
namespace {

// RFC 3501 section 5.1.3: the alphabet of base64 with ',' for '/'.
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

constexpr std::array<int8_t, 256> MakeDigits() {
  std::array<int8_t, 256> digits{};
  for (int8_t& digit : digits) digit = -1;
  for (size_t i = 0; i < kAlphabet.size(); ++i) digits[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  return digits;
}
constexpr std::array<int8_t, 256> kDigits = MakeDigits();

bool IsPrintable(uint32_t c) { return c >= 0x20 && c <= 0x7e; }

void AppendUtf8(uint32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (c >> 6)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | (c >> 12)));
    out->push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | (c >> 18)));
    out->push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

// Base64 of UTF-16BE between '&' and '-'. Collects the characters' units as they come.
class ShiftedReader {
 public:
  explicit ShiftedReader(std::string* utf8) : utf8_(utf8) {}

  bool Take(int8_t digit) {
    bits_ = (bits_ << 6) | static_cast<uint32_t>(digit);
    bit_count_ += 6;
    if (bit_count_ < 16) return true;
    bit_count_ -= 16;
    const uint32_t unit = (bits_ >> bit_count_) & 0xffff;
    bits_ &= (1u << bit_count_) - 1;
    return TakeUnit(unit);
  }

  // At '-': whole characters, at least one, and nothing but zero bits left over.
  bool End() const { return any_ && high_ == 0 && bit_count_ < 6 && bits_ == 0; }

 private:
  bool TakeUnit(uint32_t unit) {
    any_ = true;
    if (high_ != 0) {
      if (unit < 0xdc00 || unit > 0xdfff) return false;
      AppendUtf8(0x10000 + ((high_ - 0xd800) << 10) + (unit - 0xdc00), utf8_);
      high_ = 0;
      return true;
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
      high_ = unit;
      return true;
    }
    if (unit >= 0xdc00 && unit <= 0xdfff) return false;
    // RFC 3501 section 5.1.3: a printable character MUST NOT be encoded. NUL is in no name.
    if (IsPrintable(unit) || unit == 0) return false;
    AppendUtf8(unit, utf8_);
    return true;
  }

  std::string* utf8_;
  uint32_t bits_ = 0;
  int bit_count_ = 0;
  uint32_t high_ = 0;
  bool any_ = false;
};

// Collects UTF-16 units and writes them in base64.
class ShiftedWriter {
 public:
  explicit ShiftedWriter(std::string* out) : out_(out) {}

  void Add(uint32_t c) {
    if (c < 0x10000) return AddUnit(c);
    AddUnit(0xd800 + ((c - 0x10000) >> 10));
    AddUnit(0xdc00 + ((c - 0x10000) & 0x3ff));
  }
  void End() {
    if (bit_count_ > 0) out_->push_back(kAlphabet[(bits_ << (6 - bit_count_)) & 0x3f]);
    bits_ = 0;
    bit_count_ = 0;
  }

 private:
  void AddUnit(uint32_t unit) {
    bits_ = (bits_ << 16) | unit;
    bit_count_ += 16;
    while (bit_count_ >= 6) {
      bit_count_ -= 6;
      out_->push_back(kAlphabet[(bits_ >> bit_count_) & 0x3f]);
    }
    bits_ &= (1u << bit_count_) - 1;
  }

  std::string* out_;
  uint32_t bits_ = 0;
  int bit_count_ = 0;
};

}  // namespace

// RFC 3629 section 4: shortest form, no surrogates.
std::optional<uint32_t> TakeUtf8(std::string_view* utf8) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>((*utf8)[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) {
    utf8->remove_prefix(1);
    return lead;
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || utf8->size() < length) return std::nullopt;
  uint32_t c = lead & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    c = (c << 6) | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kLeast[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return std::nullopt;
  utf8->remove_prefix(length);
  return c;
}

bool IsInbox(std::string_view name) { return EqualsIgnoringCase(name, kInbox); }

std::string NormalizedInbox(std::string_view name, char separator) {
  std::string result(name);
  const bool has_level = name.size() > kInbox.size() && separator != '\0' && name[kInbox.size()] == separator;
  if (name.size() != kInbox.size() && !has_level) return result;
  if (IsInbox(name.substr(0, kInbox.size()))) result.replace(0, kInbox.size(), kInbox);
  return result;
}

std::optional<std::string> MailboxNameToUtf8(std::string_view mutf7) {
  std::string utf8;
  utf8.reserve(mutf7.size());
  size_t at = 0;
  size_t last_shift_end = std::string_view::npos;
  while (at < mutf7.size()) {
    const auto c = static_cast<uint8_t>(mutf7[at]);
    if (!IsPrintable(c)) return std::nullopt;
    if (c != '&') {
      utf8.push_back(static_cast<char>(c));
      ++at;
      continue;
    }
    const size_t end = mutf7.find('-', at);
    if (end == std::string_view::npos) return std::nullopt;
    if (end == at + 1) {
      utf8.push_back('&');
      at = end + 1;
      continue;
    }
    // RFC 3501 section 5.1.3: no shift directly after another: there would be two spellings of one name.
    if (at == last_shift_end) return std::nullopt;
    ShiftedReader reader(&utf8);
    for (size_t i = at + 1; i < end; ++i) {
      const int8_t digit = kDigits[static_cast<uint8_t>(mutf7[i])];
      if (digit < 0 || !reader.Take(digit)) return std::nullopt;
    }
    if (!reader.End()) return std::nullopt;
    at = end + 1;
    last_shift_end = at;
  }
  return utf8;
}

bool IsValidMailboxName(std::string_view mutf7) {
  bool plain = true;  // most names: printable ASCII without '&'
  for (const char c : mutf7) plain = plain && IsPrintable(static_cast<uint8_t>(c)) && c != '&';
  return plain || MailboxNameToUtf8(mutf7).has_value();
}

std::optional<std::string> MailboxNameFromUtf8(std::string_view utf8) {
  std::string mutf7;
  mutf7.reserve(utf8.size());
  ShiftedWriter writer(&mutf7);
  bool shifted = false;
  while (!utf8.empty()) {
    const std::optional<uint32_t> c = TakeUtf8(&utf8);
    if (!c || *c == 0) return std::nullopt;
    const bool shift = !IsPrintable(*c);
    if (shift && !shifted) mutf7.push_back('&');
    if (!shift && shifted) {
      writer.End();
      mutf7.push_back('-');
    }
    shifted = shift;
    if (shift) {
      writer.Add(*c);
    } else if (*c == '&') {
      mutf7.append("&-");
    } else {
      mutf7.push_back(static_cast<char>(*c));
    }
  }
  if (shifted) {
    writer.End();
    mutf7.push_back('-');
  }
  return mutf7;
}

}  // namespace postern::imap
