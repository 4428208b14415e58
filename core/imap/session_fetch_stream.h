// A long message's bytes on their way into one literal, chunk by chunk, without ever holding the message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/imap/fetch_body.h"
#include "core/mailbox/account.h"
#include "core/message/line_ends.h"

namespace postern::imap {

class ImapSession;

class FetchStream {
 public:
  explicit FetchStream(ImapSession& session) : session_(session) {}

  // Which message the next items come from.
  void Prepare(uint32_t uid, uint64_t file_bytes) {
    uid_ = uid;
    file_bytes_ = file_bytes;
  }
  void Reset();
  uint32_t uid() const { return uid_; }  // 0: none

  // Announces the literal of `range` (of the message with CRLF line ends). active() until all of it is in the output.
  void Begin(const message::Range& range, FetchOutput* out);
  bool active() const { return reader_.has_value(); }
  // Takes what was read, and asks for more unless the output is full. True: the literal is complete.
  bool Go(FetchOutput* out, Context& context);
  // False: the completion is not this stream's.
  bool OnCompletion(mailbox::Completion& completion);
  // The file ended before the literal did, or can't be read: the connection can't go on.
  bool failed() const { return failed_; }

 private:
  ImapSession& session_;
  uint32_t uid_ = 0;
  uint64_t file_bytes_ = 0;
  std::optional<message::CrlfReader> reader_;
  std::string chunk_;        // converted, not in the output yet
  uint64_t left_bytes_ = 0;  // of the literal
  uint64_t ticket_ = 0;      // of the read under way; 0: none
  bool failed_ = false;
};

}  // namespace postern::imap
