// Addresses of the SMTP envelope (RFC 5321 section 4.1.2): reverse-path, forward-path, mailbox, with the tolerance that
// Postfix shows towards obsolete source routes and missing angle brackets.
//
// A Mailbox keeps its local part without quotes: that is what tables are asked with and what replies show. Domains keep
// the case they came in; everything compares without regard to case. Views go in, owned values come out; every function
// is linear in its input, nothing recurses.
// RFC 5321 sections 4.1.2, 4.1.3, 4.5.3.1; RFC 6531 section 3.3 for addresses beyond ASCII.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::routing {

// RFC 5321 section 4.5.3.1.3 allows 256 octets; Postfix takes what a command line can hold. So do we, up to this.
inline constexpr size_t kAddressBytesMax = 1000;

struct Mailbox {
  std::string local;   // without quotes and backslashes
  std::string domain;  // without a final dot; "[192.0.2.1]" or "[IPv6:2001:db8::1]" for a literal; empty: none

  // local@domain, as tables know it. Ambiguous for local parts with odd characters: never parse it again.
  std::string Key() const;
  // The form for wires and headers: the local part quoted where it must be.
  std::string Quoted() const;
  bool has_domain() const { return !domain.empty(); }
  bool is_literal() const { return !domain.empty() && domain.front() == '['; }
  bool operator==(const Mailbox&) const = default;
};

struct EnvelopePath {
  bool null = false;  // "<>"
  Mailbox mailbox;
  bool source_routed = false;      // "@a,@b:" stood before it and was dropped (RFC 5321 appendix C)
  bool internationalized = false;  // beyond ASCII
};

// Strict: angle brackets are required (strict_rfc821_envelopes).
enum class PathForm { kTolerant, kStrict };

// Takes one path from the front of `*text`, which begins right behind "FROM:" or "TO:"; `*text` is then what follows
// it. nullopt: no address, and `*text` is unspecified. A path without brackets ends at white space.
std::optional<EnvelopePath> TakePath(std::string_view* text, PathForm form);

// A mailbox without angle brackets, as tables and VRFY hold it: all of `text`.
std::optional<Mailbox> ParseMailbox(std::string_view text);

// RFC 5321 section 2.3.5 with Postfix's tolerance: labels of letters, digits, '-' (inside) and '_', at most 63 octets
// each, 255 in all, not only digits and dots. Bytes beyond ASCII count as letters.
bool IsHostName(std::string_view name);
// "[192.0.2.1]", "[IPv6:...]".
bool IsAddressLiteral(std::string_view text);
bool IsUtf8(std::string_view text);

}  // namespace postern::routing
