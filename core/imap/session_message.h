// Messages on their way from the account to a command: the text as clients see it, with its structure parsed at most
// once, and reads that run ahead of their use.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "core/boundary/bytes.h"
#include "core/mailbox/account.h"
#include "core/message/line_ends.h"
#include "core/message/mime.h"

namespace postern::imap {

class ImapSession;

// Messages up to this size are held whole; longer ones are streamed where only bytes are asked for.
inline constexpr uint64_t kWholeMessageBytesMax = 1 << 20;
// Longer ones are never taken apart: what needs their structure is refused (BODY[] streams), SEARCH looks at their
// beginning. Without an end to it, whoever is logged in could have all memory for one APPEND and one FETCH.
inline constexpr uint64_t kStructuredMessageBytesMax = 64 << 20;
// What is read first where only the header is asked for: few headers are longer.
inline constexpr uint64_t kHeaderReadBytes = 16384;

// The bytes of a message with CRLF line ends, and its structure.
class MessageText {
 public:
  // `file_bytes`: as they stand in the file.
  explicit MessageText(std::string file_bytes);

  std::string_view bytes() const { return *bytes_; }
  const SharedBytes& shared_bytes() const { return bytes_; }
  const message::Part& structure();

 private:
  SharedBytes bytes_;
  std::unique_ptr<message::Part> structure_;
};

// The last message a session read: clients ask for one section after another (RFC 3501 section 6.4.5 partials).
struct MessageCache {
  uint32_t uid = 0;  // 0: none
  std::shared_ptr<MessageText> text;
  // Of a message too long to be kept: how far the last piece of it went.
  uint32_t resume_uid = 0;
  message::CrlfReader::Point resume;
  void Clear() { *this = {}; }
};

// Reads of several messages, given in the order they were asked for.
class MessageReads {
 public:
  static constexpr size_t kAheadMax = 4;  // under way at once, wherever several are asked for

  explicit MessageReads(ImapSession& session) : session_(session) {}

  struct Read {
    uint32_t uid = 0;
    uint64_t ticket = 0;
    bool done = false;
    Status status;
    std::string bytes;        // from the file's start, at most what was asked for
    uint64_t file_bytes = 0;  // the whole file
    bool whole() const { return bytes.size() >= file_bytes; }
  };
  void Request(uint32_t uid, uint64_t bytes_max, Context& context);
  // False: the completion is not one of these reads'.
  bool Take(mailbox::Completion& completion);
  size_t count() const { return reads_.size(); }
  bool front_done() const { return !reads_.empty() && reads_.front().done; }
  Read TakeFront();

 private:
  ImapSession& session_;
  std::deque<Read> reads_;
};

}  // namespace postern::imap
