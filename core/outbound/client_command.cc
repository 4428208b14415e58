#include "core/outbound/client_command.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/ascii.h"

namespace postern::outbound {
namespace {

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool IsAscii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// "<local@domain>"; the null path is the caller's. nullopt: our own server would not read the same address out of it,
// or it holds a control character, which is nobody's address.
std::optional<std::string> PathText(const routing::Mailbox& mailbox) {
  std::string path = "<" + mailbox.Quoted() + ">";
  if (mailbox.local.empty() || std::any_of(path.begin(), path.end(), IsControl)) return std::nullopt;
  std::string_view rest = path;
  const auto read = routing::TakePath(&rest, routing::PathForm::kStrict);
  if (!read || read->null || read->source_routed || read->mailbox != mailbox || !rest.empty()) return std::nullopt;
  return path;
}

// RFC 6533 section 3: ASCII as in xtext but with a backslash as the escape, all else as \x{code point}. nullopt: no
// UTF-8.
std::optional<std::string> EncodeUnicodeXtext(std::string_view text) {
  if (!routing::IsUtf8(text)) return std::nullopt;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i++]);
    if (c > 32 && c < 127 && c != '\\' && c != '+' && c != '=') {
      encoded += static_cast<char>(c);
      continue;
    }
    uint32_t point = c;
    if (c >= 0xc0) {
      const int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
      point = c & (0x3f >> more);
      for (int n = 0; n < more; ++n) point = point << 6 | (static_cast<unsigned char>(text[i++]) & 0x3f);
    }
    std::string digits;
    do digits.insert(digits.begin(), kHex[point & 15]);
    while ((point >>= 4) != 0);
    if (digits.size() < 2) digits.insert(digits.begin(), '0');
    encoded += "\\x{" + digits + "}";
  }
  return encoded;
}

// ORCPT's value; empty: none is to be sent.
std::string OriginalRecipient(const Job& job, const JobRecipient& recipient) {
  std::string text = recipient.original_recipient;
  if (text.empty() && !recipient.original.empty()) {
    text = (job.smtputf8 && !IsAscii(recipient.original) ? "utf-8;" : "rfc822;") + recipient.original;
  }
  if (text.empty()) return {};
  if (EqualsIgnoringCase(std::string_view(text).substr(0, 6), "utf-8;")) {
    return EncodeUnicodeXtext(text).value_or("");
  }
  return smtp::EncodeXtext(text);
}

std::string NotifyWords(uint8_t notify) {
  constexpr std::array<std::pair<uint8_t, std::string_view>, 4> kWords{{{smtp::kNotifyNever, "NEVER"},
                                                                        {smtp::kNotifySuccess, "SUCCESS"},
                                                                        {smtp::kNotifyFailure, "FAILURE"},
                                                                        {smtp::kNotifyDelay, "DELAY"}}};
  std::string words;
  for (const auto& [bit, word] : kWords) {
    if ((notify & bit) == 0) continue;
    if (!words.empty()) words += ',';
    words += word;
  }
  return words;
}

}  // namespace

std::optional<std::string> MailCommand(const Job& job, const ServerFeatures& features, bool announce_size) {
  const auto path = job.null_sender ? std::string("<>") : PathText(job.sender);
  if (!path) return std::nullopt;
  std::string command = "MAIL FROM:" + *path;
  if (features.size && announce_size) command += " SIZE=" + std::to_string(job.size_bytes);
  if (features.eight_bit_mime) {
    switch (job.body) {
      case smtp::BodyKind::k8BitMime:
        command += " BODY=8BITMIME";
        break;
      case smtp::BodyKind::k7Bit:
        command += " BODY=7BIT";
        break;
      case smtp::BodyKind::kUnspecified:
        break;
    }
  }
  if (features.dsn) {
    if (!job.envelope_id.empty()) command += " ENVID=" + smtp::EncodeXtext(job.envelope_id);
    switch (job.ret) {
      case smtp::Return::kFull:
        command += " RET=FULL";
        break;
      case smtp::Return::kHeaders:
        command += " RET=HDRS";
        break;
      case smtp::Return::kUnspecified:
        break;
    }
  }
  if (features.smtputf8 && job.smtputf8) command += " SMTPUTF8";
  return command;
}

std::optional<std::string> RcptCommand(const Job& job, size_t recipient, const ServerFeatures& features) {
  const JobRecipient& to = job.recipients[recipient];
  const auto path = PathText(to.address);
  if (!path) return std::nullopt;
  std::string command = "RCPT TO:" + *path;
  if (features.dsn) {
    if (const std::string original = OriginalRecipient(job, to); !original.empty()) command += " ORCPT=" + original;
    if (to.notify != smtp::kNotifyDefault) command += " NOTIFY=" + NotifyWords(to.notify);
  }
  return command;
}

bool NeedsSmtpUtf8(const Job& job) {
  if (!job.smtputf8) return false;
  if (job.utf8_headers || !IsAscii(job.sender.local) || !IsAscii(job.sender.domain)) return true;
  return std::any_of(job.recipients.begin(), job.recipients.end(), [](const JobRecipient& recipient) {
    return !IsAscii(recipient.address.local) || !IsAscii(recipient.address.domain);
  });
}

}  // namespace postern::outbound
