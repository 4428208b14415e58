#include "adapters/net/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "adapters/host/errno_status.h"

namespace postern::net {
namespace {

constexpr int kPartsPerSend = 64;
// Ciphertext made before it is offered to the socket: one send's worth.
constexpr size_t kCiphertextBytes = 64 * 1024;
// Pieces smaller than this share a TLS record.
constexpr size_t kGatherBytes = 16 * 1024;
// Memory of the scratch strings that is kept.
constexpr size_t kScratchKeptBytes = 256 * 1024;

bool WouldBlock(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

Connection::Connection(ConnId id, host::UniqueFd fd, Peer peer, const TlsServer* tls)
    : id_(id), fd_(std::move(fd)), peer_(std::move(peer)) {
  if (tls == nullptr) return;
  tls_ = std::make_unique<TlsStream>(*tls);
  phase_ = Phase::kHandshake;
}

Connection::ReadOutcome Connection::ReadSome(Scratch* scratch) {
  ReadOutcome outcome;
  const ssize_t got = recv(fd_.get(), scratch->read.get(), Scratch::kReadBytes, 0);
  if (got < 0) {
    if (errno == EINTR) {
      outcome.again = true;
      return outcome;
    }
    readable_ = false;
    if (!WouldBlock(errno)) outcome.ended = host::StatusFromErrno(errno, "connection");
    return outcome;
  }
  if (got == 0) {
    readable_ = false;
    if (phase_ == Phase::kHandshake) {
      outcome.ended = Unavailable("TLS handshake: the peer closed the connection");
    } else {
      outcome.ended = OkStatus();
    }
    return outcome;
  }
  // A short read took all there was; the next bytes are a new edge. The end of the stream is no edge of its own where
  // it was told together with the bytes.
  readable_ = static_cast<size_t>(got) == Scratch::kReadBytes || hang_up_;
  const std::string_view bytes(scratch->read.get(), static_cast<size_t>(got));
  if (tls_ == nullptr) {
    outcome.bytes = bytes;
  } else {
    outcome = Decrypt(bytes, scratch);
  }
  outcome.again = readable_;
  return outcome;
}

Connection::ReadOutcome Connection::Decrypt(std::string_view ciphertext, Scratch* scratch) {
  ReadOutcome outcome;
  std::string* const out = &scratch->ciphertext;
  out->clear();
  const TlsStream::Progress progress = tls_->Receive(ciphertext, scratch->plain.get(), out);
  outcome.bytes = {scratch->plain.get(), progress.plain_bytes};
  outcome.handshake_done = progress.handshake_done;
  if (progress.handshake_done) phase_ = Phase::kOpen;
  if (!progress.status.ok()) {
    outcome.ended = progress.status;
  } else if (progress.end) {
    outcome.ended = OkStatus();
  }
  if (!out->empty()) {  // handshake messages, tickets, alerts: ahead of nothing, since records are made when they are
                        // sent
    if (ciphertext_left_.empty()) {
      if (SendCiphertext(out) == FlushOutcome::kBroken && !outcome.ended)
        outcome.ended = Unavailable("connection lost");
    } else {
      ciphertext_left_ += *out;
    }
  }
  return outcome;
}

Connection::FlushOutcome Connection::Flush(Scratch* scratch) {
  if (drained()) return FlushOutcome::kDrained;
  if (phase_ == Phase::kHandshake) return SendCiphertext(&ciphertext_left_);  // what the core sent waits for the keys
  return tls_ == nullptr ? FlushPlain() : FlushTls(scratch);
}

Connection::FlushOutcome Connection::FlushPlain() {
  while (!output_.empty()) {
    iovec parts[kPartsPerSend];
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = static_cast<size_t>(output_.Fill(parts, kPartsPerSend));
    const ssize_t sent = sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return WouldBlock(errno) ? FlushOutcome::kBlocked : FlushOutcome::kBroken;
    }
    output_.Consume(static_cast<size_t>(sent));
  }
  return FlushOutcome::kDrained;
}

Connection::FlushOutcome Connection::FlushTls(Scratch* scratch) {
  if (!ciphertext_left_.empty()) {
    const FlushOutcome outcome = SendCiphertext(&ciphertext_left_);
    if (outcome != FlushOutcome::kDrained) return outcome;
  }
  while (!output_.empty()) {
    std::string* const out = &scratch->ciphertext;
    out->clear();
    while (!output_.empty() && out->size() < kCiphertextBytes) {
      std::string_view record = output_.Front();
      if (record.size() < kGatherBytes && record.size() < output_.pending_bytes()) {
        iovec parts[kPartsPerSend];
        const int count = output_.Fill(parts, kPartsPerSend);
        scratch->gathered.clear();
        for (int i = 0; i < count && scratch->gathered.size() < kGatherBytes; ++i) {
          const size_t room = kGatherBytes - scratch->gathered.size();
          scratch->gathered.append(static_cast<const char*>(parts[i].iov_base), std::min(parts[i].iov_len, room));
        }
        record = scratch->gathered;
      }
      const size_t taken = tls_->Encrypt(record, out);
      if (taken == 0) return FlushOutcome::kBroken;
      output_.Consume(taken);
    }
    const FlushOutcome outcome = SendCiphertext(out);
    if (outcome != FlushOutcome::kDrained) return outcome;
  }
  if (scratch->ciphertext.capacity() > kScratchKeptBytes) scratch->ciphertext = std::string();
  return FlushOutcome::kDrained;
}

// Sends `*ciphertext`; what the socket does not take is left in ciphertext_left_.
Connection::FlushOutcome Connection::SendCiphertext(std::string* ciphertext) {
  size_t done = 0;
  FlushOutcome outcome = FlushOutcome::kDrained;
  while (done < ciphertext->size()) {
    const ssize_t sent =
        send(fd_.get(), ciphertext->data() + done, ciphertext->size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      outcome = WouldBlock(errno) ? FlushOutcome::kBlocked : FlushOutcome::kBroken;
      break;
    }
    done += static_cast<size_t>(sent);
  }
  if (outcome == FlushOutcome::kBroken) return outcome;
  if (ciphertext == &ciphertext_left_) {
    if (done == ciphertext->size()) {
      ciphertext_left_ = std::string();  // gives the memory back
    } else {
      ciphertext_left_.erase(0, done);
    }
  } else if (done < ciphertext->size()) {
    ciphertext_left_.assign(*ciphertext, done);
  }
  return outcome;
}

void Connection::BeginTlsAfterDrain(std::unique_ptr<TlsStream> tls, Scratch* scratch) {
  // RFC 3207 section 4.2: what was sent in plaintext behind the command counts for nothing. What arrives after this
  // point meets the handshake, which fails on anything but TLS.
  held = std::string();
  while (recv(fd_.get(), scratch->read.get(), Scratch::kReadBytes, MSG_DONTWAIT) ==
         static_cast<ssize_t>(Scratch::kReadBytes)) {
  }
  readable_ = hang_up_;
  tls_next_ = std::move(tls);
}

std::optional<Status> Connection::BeginTlsIfAsked(Scratch* scratch) {
  if (tls_next_ == nullptr) return std::nullopt;
  tls_ = std::move(tls_next_);
  phase_ = Phase::kHandshake;
  return tls_->is_client() ? tls_->Receive({}, scratch->plain.get(), &ciphertext_left_).status : OkStatus();
}

bool Connection::FinishClosing(Scratch* scratch) {
  if (tls_ != nullptr) {
    scratch->ciphertext.clear();
    tls_->Close(&scratch->ciphertext);
    (void)send(fd_.get(), scratch->ciphertext.data(), scratch->ciphertext.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (hang_up_) return false;  // the peer has ended, too: nothing is on its way that would be answered with a reset
  shutdown(fd_.get(), SHUT_WR);
  phase_ = Phase::kLingering;
  return true;
}

bool Connection::ReadOff(Scratch* scratch) {
  // Bounded: a peer that sends faster than this is met again in the next turn.
  for (int i = 0; i < 16; ++i) {
    const ssize_t got = recv(fd_.get(), scratch->read.get(), Scratch::kReadBytes, MSG_DONTWAIT);
    if (got > 0) continue;
    if (got < 0 && WouldBlock(errno)) {
      readable_ = false;
      return false;
    }
    return true;
  }
  return false;
}

}  // namespace postern::net
