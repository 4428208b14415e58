// The commands of SMTP and their parameters, as parsers of one line: pure, linear, views in.
// RFC 5321 section 4.1.1; SIZE 1870, BODY 6152, SMTPUTF8 6531, AUTH 4954, RET ENVID NOTIFY ORCPT 3461, BDAT 3030.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/smtp/reply.h"

namespace postern::smtp {

// In the order in which Postfix counts them in its "disconnect" line.
enum class Verb : uint8_t {
  kHelo,
  kEhlo,
  kStartTls,
  kAuth,
  kMail,
  kRcpt,
  kData,
  kBdat,
  kRset,
  kNoop,
  kVrfy,
  kEtrn,
  kQuit,
  kUnknown,
};
inline constexpr size_t kVerbCount = static_cast<size_t>(Verb::kUnknown) + 1;
// "rcpt", as in that line; "RCPT", as in others.
std::string_view LowerName(Verb verb);
std::string_view UpperName(Verb verb);

struct Command {
  Verb verb = Verb::kUnknown;
  std::string_view word;       // the first word as sent; empty: an empty line
  std::string_view arguments;  // without white space around
};
// `line` without its line end.
Command ParseCommand(std::string_view line);

// The next word of `*text`, which is advanced; empty at the end.
std::string_view TakeWord(std::string_view* text);

// ---- parameters: nullopt, or the reply that refuses them ------------------------------------------------------------

enum class BodyKind : uint8_t { kUnspecified, k7Bit, k8BitMime };
enum class Return : uint8_t { kUnspecified, kFull, kHeaders };

struct MailParameters {
  std::optional<uint64_t> size_bytes;
  BodyKind body = BodyKind::kUnspecified;
  bool smtputf8 = false;
  std::optional<std::string> auth;  // decoded; empty: "<>"
  Return ret = Return::kUnspecified;
  std::optional<std::string> envelope_id;  // decoded xtext
};
struct MailOptions {
  bool smtputf8 = true, dsn = true;  // what EHLO offered; SIZE and BODY are understood in any case, as by Postfix
};
std::optional<Reply> ParseMailParameters(std::string_view text, const MailOptions& offered, MailParameters* out);

// RFC 3461 section 4.1: NOTIFY, as a set of bits.
enum Notify : uint8_t {
  kNotifyDefault = 0,
  kNotifyNever = 1,
  kNotifySuccess = 2,
  kNotifyFailure = 4,
  kNotifyDelay = 8
};
struct RcptParameters {
  uint8_t notify = kNotifyDefault;
  std::optional<std::string> original_recipient;  // "rfc822;u1@example.test", the address decoded
};
std::optional<Reply> ParseRcptParameters(std::string_view text, bool dsn_offered, RcptParameters* out);

// RFC 3030 section 2: "count [LAST]".
struct BdatArguments {
  uint64_t chunk_bytes = 0;
  bool last = false;
};
std::optional<BdatArguments> ParseBdat(std::string_view arguments);

// RFC 3461 section 4: nullopt where it is no xtext.
std::optional<std::string> DecodeXtext(std::string_view text);
std::string EncodeXtext(std::string_view text);

}  // namespace postern::smtp
