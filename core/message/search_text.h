// What IMAP SEARCH, SORT and THREAD want to know of a message's text (RFC 9051 section 6.4.4; RFC 5256; RFC 5957).
//
// Texts are compared decoded and folded: charsets, encoded words and transfer encodings undone, then charset.h's
// Folded(). Memory is bounded by the longest field plus a block of a body.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/message/charset.h"
#include "core/message/date.h"
#include "core/message/mime.h"

namespace postern::message {

// A search string, folded once for many messages.
class Needle {
 public:
  // `text` is UTF-8 (the session converts from the SEARCH's charset).
  explicit Needle(std::string_view text) : folded_(Folded(text)), empty_(text.empty()) {}

  const std::string& folded() const { return folded_; }
  bool matches_all() const { return empty_; }  // RFC 9051: "" matches whatever has the field
  bool In(std::string_view folded_text) const;

 private:
  std::string folded_;
  bool empty_;
};

// In which form a field's value is looked at.
enum class HeaderForm : uint8_t {
  kAsWritten,  // HEADER: decoded, on one line
  kAddresses,  // FROM, TO, CC, BCC: in the normal form of address.h's AppendAddressList()
  kPacked,     // SUBJECT: runs of white space are one space
};
// One of the fields called `name` in `header` (a header block) contains `needle`.
bool HeaderContains(std::string_view header, std::string_view name, const Needle& needle, HeaderForm form);

enum class SearchIn : uint8_t {
  kBody,  // BODY: the bodies of text and message parts
  kText,  // TEXT: the same and all headers, those of parts included
};
// `root` is the structure of `message`.
bool TextContains(std::string_view message, const Part& root, const Needle& needle, SearchIn where);

// The Date field of a header block, for SENTBEFORE and the like: nullopt where there is none or none to read.
std::optional<DateTime> SentDate(std::string_view header);

// ---- sort keys: compare bytes (RFC 5256 section 3, RFC 5957) --------------------------------------------------------

std::string SortSubject(std::string_view header);
// The first address's mailbox of field `name` (From, To, Cc), folded.
std::string SortMailbox(std::string_view header, std::string_view name);
// RFC 5957 section 3: its display name decoded and folded, or mailbox@host.
std::string SortDisplayName(std::string_view header, std::string_view name);

// ---- threading (RFC 5256 section 3, REFERENCES) ---------------------------------------------------------------------

struct ThreadInput {
  std::string message_id;               // "" where there is none to use
  std::vector<std::string> references;  // oldest first; of In-Reply-To the first where References has none
  std::string base_subject;
  bool is_reply_or_forward = false;
  std::optional<DateTime> sent;  // nullopt: use the internal date
};
ThreadInput ThreadInputOf(std::string_view header);

// The next message id in `text` from `*at` on, without its angle brackets, normalized; nullopt at the end.
std::optional<std::string> NextMessageId(std::string_view text, size_t* at);

}  // namespace postern::message
