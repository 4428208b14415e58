// The small forms that a notice is written in: text that is safe to show, folded lines, typed addresses (RFC 3464
// section 2.1.2, RFC 6533 section 3). Pure; linear; what remote hosts and clients said never ends a line here.
#pragma once

#include <string>
#include <string_view>

namespace postern::notice {

// How far a part may go: RFC 6533's global parts and 8-bit texts hold UTF-8, the others ASCII.
enum class Repertoire : bool { kAscii, kUtf8 };

// Of remote texts no more than this is told; longer replies than that are no diagnosis.
inline constexpr size_t kToldBytesMax = 8192;

// `text` in one line: line ends become blanks, what can't be shown "?" an octet; at most kToldBytesMax octets.
std::string Told(std::string_view text, Repertoire repertoire);

bool IsAscii(std::string_view text);

// How lines are folded: as Postfix folds reports, or as it folds transcripts.
struct FoldForm {
  size_t line_bytes_max = 79;  // without the margin
  std::string_view margin;     // before each line
};

// Appends `text` folded at blanks as Postfix folds: later lines begin with four blanks, lines are longer only where a
// word is. A word beyond kWordBytesMax is cut, for RFC 5322 section 2.1.1 ends a line at 998. Ends with a line end.
inline constexpr size_t kWordBytesMax = 900;
void AppendFolded(std::string_view text, std::string* out, FoldForm form = {});

// "rfc822; u@example.net"; "utf-8; ü@example.net" beyond ASCII, in 7-bit parts "utf-8; \x{FC}@example.net" (RFC 6533
// section 3: utf-8-addr-xtext). `quoted`: as Mailbox::Quoted gives it.
std::string TypedAddress(std::string_view quoted, Repertoire repertoire);

// The same of an ORCPT ("rfc822;u@example.net", xtext decoded), without a blank, as Postfix repeats it. An embedded
// \x{FC} becomes the character where that is allowed. What is no address of its type is repeated as it is.
std::string OriginalRecipient(std::string_view orcpt, Repertoire repertoire);

}  // namespace postern::notice
