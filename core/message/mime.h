// The MIME structure of a message: a tree of parts with byte ranges (RFC 2045, RFC 2046 section 5, RFC 2231).
//
// The message must have CRLF line ends (line_ends.h) so that sizes are what clients see. Boundaries are found as
// Dovecot finds them: a line that begins with "--" and a boundary of an enclosing multipart, the innermost first unless
// another one is a longer match; a multipart that never ends takes what is there; a part ends before the line end that
// precedes its boundary line. Bounded: kPartDepthMax, kPartCountMax. Beyond them a multipart or message is a leaf. The
// time is linear in the message times the depth. Owner: the caller; a tree holds no view into the message.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/message/envelope.h"

namespace postern::message {

inline constexpr int kPartDepthMax = 100;     // as Dovecot
inline constexpr int kPartCountMax = 10'000;  // as Dovecot
inline constexpr size_t kBoundaryBytesMax =
    80;  // RFC 2046 section 5.1.1 allows 70; longer ones are cut, as Dovecot does

struct Parameter {
  std::string name;   // as written; with "*" at its end where the value is RFC 2231 extended: charset'language'percent
  std::string value;  // continuations joined (RFC 2231 section 3), not decoded (section 4)
  bool operator==(const Parameter&) const = default;
};

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;  // behind the last byte
  uint64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

struct Part {
  enum class Kind : uint8_t {
    kText,       // text/*, and what has no type
    kMultipart,  // its children are the parts, maybe none
    kMessage,    // message/rfc822: exactly one child, the message within, which has an envelope
    kOther,
  };
  Kind kind = Kind::kText;
  bool is_mime = false;    // has MIME-Version or Content-Type, or stands below a multipart
  bool is_digest = false;  // multipart/digest: children default to message/rfc822 (RFC 2046 section 5.1.5)
  bool has_nul = false;    // of the root: the message holds a NUL somewhere
  bool truncated = false;  // a limit was met: would have been a multipart or a message

  Range header;  // with the empty line
  Range body;
  uint32_t header_line_count = 0;
  uint32_t body_line_count = 0;

  // Content-*, as far as given; empty where the part is not MIME.
  std::optional<std::string> type;     // "text"; "" where the field cannot be understood
  std::optional<std::string> subtype;  // set whenever `type` is
  std::vector<Parameter> parameters;
  std::optional<std::string> id;
  std::optional<std::string> description;
  std::optional<std::string> encoding;
  std::optional<std::string> md5;
  std::optional<std::string> disposition;
  std::vector<Parameter> disposition_parameters;
  std::vector<std::string> languages;
  std::optional<std::string> location;

  std::unique_ptr<Envelope> envelope;  // of the root and of children of kMessage
  std::vector<Part> children;

  // The value of the first parameter called so (any case); nullptr without.
  const std::string* FindParameter(std::string_view name) const;
};

// Never fails: the worst message is one text part.
Part ParseMessage(std::string_view message);

// ---- sections of IMAP (RFC 9051 section 6.4.5, RFC 3501 section 6.4.5) ----------------------------------------------

enum class SectionText : uint8_t { kAll, kHeader, kText, kMime };

// The part that `path` names; nullptr when there is none. An empty path is the root. A path into a message/rfc822 goes
// on with its message's parts.
const Part* FindPart(const Part& root, std::span<const uint32_t> path);

// The bytes of `BODY[path.text]`; nullopt when there is no such section (Dovecot answers with NIL or ""):
//   path empty:  kAll the message, kHeader its header, kText its body
//   otherwise:   kAll the part's body, kMime its header, kHeader and kText those of a message/rfc822's message
std::optional<Range> FindSection(const Part& root, std::span<const uint32_t> path, SectionText text);

}  // namespace postern::message
