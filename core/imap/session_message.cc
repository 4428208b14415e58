#include "core/imap/session_message.h"

#include <utility>

#include "core/imap/session.h"
#include "core/message/line_ends.h"

namespace postern::imap {

MessageText::MessageText(std::string file_bytes)
    : bytes_(std::make_shared<const std::string>(message::HasOnlyCrlf(file_bytes) ? std::move(file_bytes)
                                                                                  : message::ToCrlf(file_bytes))) {}

const message::Part& MessageText::structure() {
  if (structure_ == nullptr) structure_ = std::make_unique<message::Part>(message::ParseMessage(*bytes_));
  return *structure_;
}

void MessageReads::Request(uint32_t uid, uint64_t bytes_max, Context& context) {
  const mailbox::Ticket ticket = session_.NextTicket();
  reads_.push_back({.uid = uid, .ticket = ticket.tag});
  session_.account().ReadMessage(ticket, session_.selection()->view.state(), uid, 0, bytes_max, context);
}

bool MessageReads::Take(mailbox::Completion& completion) {
  for (Read& read : reads_) {
    if (read.ticket != completion.ticket.tag) continue;
    read.done = true;
    read.status = completion.status;
    const auto* result = std::get_if<mailbox::ReadResult>(&completion.outcome);
    if (!read.status.ok() || result == nullptr) return true;
    read.file_bytes = result->file_bytes;
    if (result->bytes.data() == completion.owned_bytes.data() &&
        result->bytes.size() == completion.owned_bytes.size()) {
      read.bytes = std::move(completion.owned_bytes);
    } else {
      read.bytes = result->bytes;
    }
    return true;
  }
  return false;
}

MessageReads::Read MessageReads::TakeFront() {
  Read read = std::move(reads_.front());
  reads_.pop_front();
  return read;
}

}  // namespace postern::imap
