#include "core/imap/session_fetch_stream.h"

#include <utility>

#include "core/imap/response.h"
#include "core/imap/session.h"

namespace postern::imap {
namespace {

constexpr uint64_t kChunkBytes = 131072;

}  // namespace

void FetchStream::Reset() {
  uid_ = 0;
  reader_.reset();
  chunk_.clear();
  ticket_ = 0;
}

void FetchStream::Begin(const message::Range& range, FetchOutput* out) {
  AppendLiteralHeader(range.size(), &out->text());
  left_bytes_ = range.size();
  if (left_bytes_ == 0) return;
  // Clients fetch a long message piece by piece: the next piece begins where the last one ended.
  const MessageCache& cache = session_.selection()->cache;
  if (cache.resume_uid == uid_ && cache.resume.crlf_bytes <= range.begin) {
    reader_.emplace(cache.resume, range.begin, range.end);
  } else {
    reader_.emplace(range.begin, range.end);
  }
}

bool FetchStream::OnCompletion(mailbox::Completion& completion) {
  if (ticket_ == 0 || completion.ticket.tag != ticket_) return false;
  ticket_ = 0;
  const auto* result = std::get_if<mailbox::ReadResult>(&completion.outcome);
  if (!completion.status.ok() || result == nullptr || result->bytes.empty()) {
    failed_ = true;
  } else {
    reader_->Feed(result->bytes, &chunk_);
    MaskNuls(0, &chunk_);
  }
  return true;
}

bool FetchStream::Go(FetchOutput* out, Context& context) {
  if (!chunk_.empty()) {
    left_bytes_ -= chunk_.size();
    session_.counters().body_bytes += chunk_.size();
    out->Append(std::make_shared<const std::string>(std::exchange(chunk_, {})));
  }
  if (left_bytes_ == 0) {
    MessageCache& cache = session_.selection()->cache;
    cache.resume_uid = uid_;
    cache.resume = reader_->resume();
    reader_.reset();
    return true;
  }
  if (ticket_ != 0 || session_.unsent_bytes() + out->size_bytes() > kUnsentBytesMax) return false;
  const uint64_t offset = reader_->resume().file_bytes;
  if (offset >= file_bytes_) {
    failed_ = true;
    return false;
  }
  const mailbox::Ticket ticket = session_.NextTicket();
  ticket_ = ticket.tag;
  session_.account().ReadMessage(ticket, session_.selection()->view.state(), uid_, offset, kChunkBytes, context);
  return false;
}

}  // namespace postern::imap
