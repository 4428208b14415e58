#include "core/mailbox/pop3_uidl.h"

#include <charconv>

namespace postern::mailbox {
namespace {

std::string Padded(std::string text, size_t width, bool zeros) {
  if (text.size() < width) text.insert(0, width - text.size(), zeros ? '0' : ' ');
  return text;
}

std::string Numeral(uint32_t value, bool hexadecimal) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, hexadecimal ? 16 : 10).ptr;
  return {digits, end};
}

}  // namespace

std::string FormatPop3Uidl(std::string_view format, const MailboxState& mailbox, uint32_t uid) {
  if (std::string own = mailbox.Pop3UidlOf(uid); !own.empty()) return own;
  std::string text;
  for (size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      text += format[at];
      continue;
    }
    ++at;
    bool zeros = false, hexadecimal = false;
    size_t width = 0;
    for (; at < format.size(); ++at) {
      const char c = format[at];
      if (c == 'X') {
        hexadecimal = true;
      } else if (c == '0' && width == 0) {
        zeros = true;
      } else if (c >= '0' && c <= '9' && width < 100) {
        width = width * 10 + static_cast<size_t>(c - '0');
      } else if (c != 'L') {
        break;
      }
    }
    if (at == format.size()) break;
    switch (format[at]) {
      case 'u': text += Padded(Numeral(uid, hexadecimal), width, zeros); break;
      case 'v': text += Padded(Numeral(mailbox.uidvalidity, hexadecimal), width, zeros); break;
      case 'f': text += mailbox.BaseNameOf(uid); break;
      case 'g': text += mailbox.GuidOf(uid); break;
      case '%': text += '%'; break;
      default: break;  // refused when the configuration is read
    }
  }
  return text;
}

}  // namespace postern::mailbox
