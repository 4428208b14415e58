// The pieces of which server responses are made (RFC 3501 sections 7 and 9). Each function appends to `*out` and
// allocates nothing else. None ends a line, except those that say so.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/imap/command.h"
#include "core/imap/sequence_set.h"

namespace postern::imap {

// ---- Basic pieces -------------------------------------------------------------------------------------------------

void AppendNumber(uint64_t number, std::string* out);
// `"..."`, with '"' and '\' escaped. Only for text that IsQuotable().
void AppendQuoted(std::string_view text, std::string* out);
// Whether `text` can be a quoted string: 7-bit, no NUL, CR or LF.
bool IsQuotable(std::string_view text);
// `{n}` CRLF, to be followed by exactly `bytes` bytes.
void AppendLiteralHeader(uint64_t bytes, std::string* out);
// `~{n}` CRLF (RFC 3516 section 4.4): for data that may hold NUL.
void AppendLiteral8Header(uint64_t bytes, std::string* out);
// A string: quoted where possible and not long, else a literal. NUL bytes become 0x80, since no literal may hold one
// (RFC 3501 section 9 note 3).
void AppendString(std::string_view text, std::string* out);
// The same, or NIL for nullopt.
void AppendNString(std::optional<std::string_view> text, std::string* out);
// An atom where possible, else a string.
void AppendAString(std::string_view text, std::string* out);
// A mailbox name in modified UTF-7: an astring, as Dovecot writes it.
void AppendMailbox(std::string_view mutf7, std::string* out);
// " 7-Feb-1994 21:52:25 -0800" in quotes: a date-time with the day in two places.
void AppendDateTime(const DateTime& when, std::string* out);
// In the order in which Dovecot writes them.
inline constexpr Flags kSystemFlags[] = {kAnswered, kFlagged, kDeleted, kSeen, kDraft, kRecent};
// `(\Deleted \Seen $Forwarded)`: system flags, then keywords. `star`: with `\*` at the end (PERMANENTFLAGS).
void AppendFlagList(Flags system_flags, std::span<const std::string> keywords, std::string* out, bool star = false);
void AppendFlagList(const FlagList& flags, std::string* out);
// The name of one system flag, with its backslash.
std::string_view SystemFlagName(Flags flag);

// ---- Lines --------------------------------------------------------------------------------------------------------

enum class Condition : uint8_t { kOk, kNo, kBad, kPreAuth, kBye };
std::string_view ConditionName(Condition condition);

// `tag OK [code] text` CRLF; `tag` "*" for an untagged one. `code` is the inside of the brackets, "" for none. Control
// characters in `text` become '?': one response is one line.
void AppendStatusLine(std::string_view tag, Condition condition, std::string_view code, std::string_view text,
                      std::string* out);
// `+ text` CRLF; `+ ` CRLF when empty.
void AppendContinuation(std::string_view text, std::string* out);
// `* N NAME` CRLF: EXISTS, RECENT, EXPUNGE.
void AppendNumberLine(uint64_t number, std::string_view name, std::string* out);
// `* CAPABILITY a b c` CRLF.
void AppendCapabilityLine(std::span<const std::string_view> capabilities, std::string* out);

// ---- Response codes (the inside of the brackets) ------------------------------------------------------------------

void AppendCode(std::string_view name, uint64_t number, std::string* out);  // UIDNEXT 5, HIGHESTMODSEQ 9 ...
void AppendPermanentFlags(const FlagList& flags, bool star, std::string* out);
void AppendAppendUid(uint32_t uid_validity, const NumberSet& uids, std::string* out);  // RFC 4315 section 3
void AppendCopyUid(uint32_t uid_validity, const NumberSet& from, const NumberSet& to, std::string* out);
// COPYUID where the UIDs copied do not rise together with their copies: pairs in the order of copying, equally many.
void AppendCopyUid(uint32_t uid_validity, std::span<const uint32_t> from, std::span<const uint32_t> to,
                   std::string* out);

// ---- FETCH --------------------------------------------------------------------------------------------------------

// `BODY[1.HEADER.FIELDS (From To)]<0>`: the name of the data item that answers `item` (RFC 3501 section 7.4.2), for
// which PEEK and the length of a partial are not repeated.
void AppendFetchItemName(const FetchItem& item, std::string* out);
// What stands between the brackets.
void AppendSection(const Section& section, std::string* out);
// The name of a STATUS item.
std::string_view StatusItemName(StatusItem item);

}  // namespace postern::imap
