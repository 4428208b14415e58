#include "core/smtp/command.h"

#include <array>
#include <charconv>

#include "core/base/ascii.h"
#include "core/routing/address.h"

namespace postern::smtp {
namespace {

struct VerbName {
  Verb verb;
  std::string_view upper, lower;
};
constexpr std::array<VerbName, kVerbCount> kVerbs{{
    {Verb::kHelo, "HELO", "helo"},
    {Verb::kEhlo, "EHLO", "ehlo"},
    {Verb::kStartTls, "STARTTLS", "starttls"},
    {Verb::kAuth, "AUTH", "auth"},
    {Verb::kMail, "MAIL", "mail"},
    {Verb::kRcpt, "RCPT", "rcpt"},
    {Verb::kData, "DATA", "data"},
    {Verb::kBdat, "BDAT", "bdat"},
    {Verb::kRset, "RSET", "rset"},
    {Verb::kNoop, "NOOP", "noop"},
    {Verb::kVrfy, "VRFY", "vrfy"},
    {Verb::kEtrn, "ETRN", "etrn"},
    {Verb::kQuit, "QUIT", "quit"},
    {Verb::kUnknown, "UNKNOWN", "unknown"},
}};

constexpr size_t kOriginalRecipientBytesMax = 500;  // RFC 3461 section 4.2

bool IsSpace(char c) { return c == ' ' || c == '\t'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// True where `word` is "KEYWORD=..."; `*value` is what follows.
bool HasKeyword(std::string_view word, std::string_view keyword, std::string_view* value) {
  if (word.size() <= keyword.size() || word[keyword.size()] != '=') return false;
  if (!EqualsIgnoringCase(word.substr(0, keyword.size()), keyword)) return false;
  *value = word.substr(keyword.size() + 1);
  return true;
}

bool ParseNumber(std::string_view text, uint64_t* number) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, *number);
  return !text.empty() && parsed.ec == std::errc() && parsed.ptr == end;
}

Reply Unsupported(std::string_view word) { return {555, "5.5.4", "Unsupported option: " + std::string(word)}; }

// RFC 3461 section 4.1: a list, NEVER only alone, nothing twice.
bool ParseNotify(std::string_view value, uint8_t* notify) {
  constexpr std::array<std::pair<std::string_view, Notify>, 4> kNames{
      {{"NEVER", kNotifyNever}, {"SUCCESS", kNotifySuccess}, {"FAILURE", kNotifyFailure}, {"DELAY", kNotifyDelay}}};
  uint8_t bits = 0;
  for (;;) {
    const size_t comma = value.find(',');
    const std::string_view word = value.substr(0, comma);
    uint8_t bit = 0;
    for (const auto& [name, flag] : kNames) {
      if (EqualsIgnoringCase(word, name)) bit = flag;
    }
    if (bit == 0 || (bits & bit) != 0) return false;
    bits |= bit;
    if (comma == std::string_view::npos) break;
    value.remove_prefix(comma + 1);
  }
  if ((bits & kNotifyNever) != 0 && bits != kNotifyNever) return false;
  *notify = bits;
  return true;
}

}  // namespace

std::string_view LowerName(Verb verb) { return kVerbs[static_cast<size_t>(verb)].lower; }
std::string_view UpperName(Verb verb) { return kVerbs[static_cast<size_t>(verb)].upper; }

Command ParseCommand(std::string_view line) {
  std::string_view rest = line;
  Command command;
  command.word = TakeWord(&rest);
  command.arguments = Trim(rest);
  for (const VerbName& name : kVerbs) {
    if (name.verb != Verb::kUnknown && EqualsIgnoringCase(command.word, name.upper)) command.verb = name.verb;
  }
  return command;
}

std::string_view TakeWord(std::string_view* text) {
  while (!text->empty() && IsSpace(text->front())) text->remove_prefix(1);
  size_t end = 0;
  while (end < text->size() && !IsSpace((*text)[end])) ++end;
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(end);
  return word;
}

std::optional<Reply> ParseMailParameters(std::string_view text, const MailOptions& offered, MailParameters* out) {
  for (std::string_view word = TakeWord(&text); !word.empty(); word = TakeWord(&text)) {
    std::string_view value;
    if (EqualsIgnoringCase(word, "BODY=8BITMIME")) {
      out->body = BodyKind::k8BitMime;
    } else if (EqualsIgnoringCase(word, "BODY=7BIT")) {
      out->body = BodyKind::k7Bit;
    } else if (HasKeyword(word, "SIZE", &value)) {
      uint64_t size = 0;
      const bool digits = !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos;
      if (!digits) return Reply{501, "5.5.4", "Bad message size syntax"};
      if (!ParseNumber(value, &size)) return Reply{552, "5.3.4", "Message size exceeds file system imposed limit"};
      out->size_bytes = size;
    } else if (offered.smtputf8 && EqualsIgnoringCase(word, "SMTPUTF8")) {
      out->smtputf8 = true;
    } else if (HasKeyword(word, "AUTH", &value)) {
      // RFC 4954 section 5.
      if (out->auth) return Reply{503, "5.5.4", "Error: multiple AUTH= options"};
      out->auth =
          value == "<>" ? "" : DecodeXtext(value).value_or("");  // what is no address is nobody's, as for Postfix
    } else if (HasKeyword(word, "RET", &value)) {
      if (!offered.dsn) return DsnDisabled();
      if (out->ret != Return::kUnspecified) return Reply{501, "5.5.4", "Bad RET parameter syntax"};
      if (EqualsIgnoringCase(value, "FULL")) {
        out->ret = Return::kFull;
      } else if (EqualsIgnoringCase(value, "HDRS")) {
        out->ret = Return::kHeaders;
      } else {
        return Reply{501, "5.5.4", "Bad RET parameter syntax"};
      }
    } else if (HasKeyword(word, "ENVID", &value)) {
      if (!offered.dsn) return DsnDisabled();
      auto decoded = DecodeXtext(value);
      if (!decoded || decoded->empty() || out->envelope_id) {
        return Reply{501, "5.5.4", "Bad ENVID parameter syntax"};
      }
      out->envelope_id = *std::move(decoded);
    } else {
      return Unsupported(word);
    }
  }
  return std::nullopt;
}

std::optional<Reply> ParseRcptParameters(std::string_view text, bool dsn_offered, RcptParameters* out) {
  for (std::string_view word = TakeWord(&text); !word.empty(); word = TakeWord(&text)) {
    std::string_view value;
    if (HasKeyword(word, "NOTIFY", &value)) {
      if (!dsn_offered) return DsnDisabled();
      if (out->notify != kNotifyDefault || !ParseNotify(value, &out->notify)) {
        return Reply{501, "5.5.4", "Error: Bad NOTIFY parameter syntax"};
      }
    } else if (HasKeyword(word, "ORCPT", &value)) {
      if (!dsn_offered) return DsnDisabled();
      // RFC 3461 section 4.2: addr-type ";" xtext.
      const size_t semicolon = value.find(';');
      const auto decoded =
          semicolon == std::string_view::npos ? std::nullopt : DecodeXtext(value.substr(semicolon + 1));
      if (!decoded || decoded->empty() || semicolon == 0 || value.size() > kOriginalRecipientBytesMax ||
          out->original_recipient || !DecodeXtext(value.substr(0, semicolon))) {
        return Reply{501, "5.5.4", "Error: Bad ORCPT parameter syntax"};
      }
      out->original_recipient = std::string(value.substr(0, semicolon)) + ";" + *decoded;
    } else {
      return Unsupported(word);
    }
  }
  return std::nullopt;
}

std::optional<BdatArguments> ParseBdat(std::string_view arguments) {
  BdatArguments parsed;
  if (!ParseNumber(TakeWord(&arguments), &parsed.chunk_bytes)) return std::nullopt;
  const std::string_view last = TakeWord(&arguments);
  if (!last.empty()) {
    if (!EqualsIgnoringCase(last, "LAST")) return std::nullopt;
    parsed.last = true;
  }
  if (!TakeWord(&arguments).empty()) return std::nullopt;
  return parsed;
}

std::optional<std::string> DecodeXtext(std::string_view text) {
  std::string decoded;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c < 33 || c > 126) return std::nullopt;  // RFC 3461 section 4 wants '=' encoded, too; many a sender leaves it
    if (c != '+') {
      decoded += c;
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    const auto byte = static_cast<char>(high * 16 + low);
    // No control characters: this goes into logs and reports.
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) return std::nullopt;
    decoded += byte;
    i += 2;
  }
  return decoded;
}

std::string EncodeXtext(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (c >= 33 && c <= 126 && c != '+' && c != '=') {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '+';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

}  // namespace postern::smtp
