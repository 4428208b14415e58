// The FETCH items that are made from a message's bytes (RFC 3501 section 7.4.2; BINARY: RFC 3516). Knows nothing of
// sessions: a message in, a piece of a response out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/boundary/bytes.h"
#include "core/imap/command.h"
#include "core/imap/session_message.h"

namespace postern::imap {

// RFC 3501 section 9 literal: CHAR8 is never NUL. What of `*text` from `begin` on is a literal's gets 0x80 for each, as
// Dovecot has it; BINARY (RFC 3516) tells the NULs themselves.
void MaskNuls(size_t begin, std::string* text);

// How much of a message an item needs.
enum class Need : uint8_t {
  kNothing,  // the mailbox knows
  kHeader,
  kBytes,  // a run of the whole message's bytes: can be streamed
  kWhole,  // its structure
};
Need NeedOf(const FetchItem& item);
// RFC 3501 section 6.4.5: whether fetching it marks the message as read.
bool SetsSeen(const FetchItem& item);

// A message, or as much of it as its items need.
struct FetchSource {
  std::string_view header;      // CRLF, with its empty line
  MessageText* text = nullptr;  // null: only the header is here
};

// Output being made: text, and long pieces that are not copied.
class FetchOutput {
 public:
  std::string& text() { return text_; }
  void Append(SharedBytes bytes);
  size_t size_bytes() const { return chain_bytes_ + text_.size(); }
  Chain Take();

 private:
  Chain chain_;
  size_t chain_bytes_ = 0;
  std::string text_;
};

// `NAME value` of an item that needs bytes. Appends. False: BINARY of something that can't be decoded
// (RFC 3516 section 4.3: NO [UNKNOWN-CTE]); nothing is appended.
bool AppendFetchItem(const FetchItem& item, const FetchSource& source, FetchOutput* out);

// Of an item with Need::kBytes, the bytes it is made of, as a range of the message: the whole or the text behind a
// header of `header_bytes`; cut to its partial. `message_bytes`: the message's size with CRLF.
message::Range StreamRange(const FetchItem& item, uint64_t header_bytes, uint64_t message_bytes);

}  // namespace postern::imap
