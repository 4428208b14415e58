// Mailbox names on the wire: modified UTF-7 (RFC 3501 section 5.1.3) and INBOX in any case. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::imap {

// What Dovecot answers to a name that is not valid modified UTF-7.
inline constexpr std::string_view kInvalidMailboxNameText = "Mailbox name is not valid mUTF-7";

inline constexpr std::string_view kInbox = "INBOX";

// Whether `name` is kInbox in any case (RFC 3501 section 5.1).
bool IsInbox(std::string_view name);

// `name` with a first level of INBOX, in any case, in upper case: "inbox" and "Inbox.Sent" (with separator '.') name
// the same as "INBOX" and "INBOX.Sent". '\0': only the whole name is looked at.
std::string NormalizedInbox(std::string_view name, char separator);

// RFC 3501 section 5.1.3: printable US-ASCII stands for itself, '&' is written "&-", everything else is base64 of
// UTF-16BE with ',' in place of '/', without padding. Strict: printable ASCII may not be encoded, shifts may not follow
// each other ("&AGE-&AGI-"), surrogates must pair, unused bits must be zero, and NUL and 8-bit bytes are not taken.
bool IsValidMailboxName(std::string_view mutf7);
// nullopt where `mutf7` is not valid.
std::optional<std::string> MailboxNameToUtf8(std::string_view mutf7);
// nullopt where `utf8` is not valid UTF-8 (over-long forms and surrogates included) or holds NUL.
std::optional<std::string> MailboxNameFromUtf8(std::string_view utf8);

// Takes one character off the front of `*utf8`, which is not empty. nullopt, and nothing taken, where it is not valid.
std::optional<uint32_t> TakeUtf8(std::string_view* utf8);

}  // namespace postern::imap
