// One connection, accepted or made by us: its socket, its TLS layer if there is one, and what is still to be sent. It
// does no waiting and calls nobody: the loop that owns it asks it to read or to send when the socket can, and tells the
// core what came of it.
//
//   kHandshake (implicit TLS) --ready--> kOpen --BeginTls--> kHandshake --ready--> kOpen
//   any --CloseAfterDrain--> kClosing (what was sent leaves, close_notify, end) --> kLingering (reads off what the peer
//   still sends, so that the kernel does not reset the connection under the last reply) --> destroyed by the loop
//
// Idle, it holds no buffer: reads go into the loop's scratch memory, sent bytes lie in their chains, TLS records are
// made when the socket takes them. Owner: one loop at a time; moves to another shard's loop as it is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/host/unique_fd.h"
#include "adapters/net/output_queue.h"
#include "adapters/net/tls_stream.h"
#include "core/boundary/event.h"

namespace postern::net {

// Memory that a loop lends to whatever connection it works on.
struct Scratch {
  static constexpr size_t kReadBytes = 64 * 1024;
  static constexpr size_t kPlainBytes = kReadBytes + TlsStream::kPlainSlackBytes;
  std::unique_ptr<char[]> read = std::make_unique_for_overwrite<char[]>(kReadBytes);
  std::unique_ptr<char[]> plain = std::make_unique_for_overwrite<char[]>(kPlainBytes);
  std::string gathered;    // small pieces on their way into one TLS record
  std::string ciphertext;  // records on their way out
};

class Connection {
 public:
  enum class Phase : uint8_t { kHandshake, kOpen, kClosing, kLingering };

  // With `tls` the connection begins with a handshake (implicit TLS).
  Connection(ConnId id, host::UniqueFd fd, Peer peer, const TlsServer* tls);

  ConnId id() const { return id_; }
  int fd() const { return fd_.get(); }
  const Peer& peer() const { return peer_; }
  Phase phase() const { return phase_; }
  bool uses_tls() const { return tls_ != nullptr; }
  TlsFacts Facts() const { return tls_ != nullptr && tls_->ready() ? tls_->Facts() : TlsFacts{}; }
  // As TlsStream::Certificate.
  std::shared_ptr<const CertificateFacts> Certificate() const {
    return tls_ != nullptr ? tls_->Certificate() : nullptr;
  }

  // ---- reading ----
  struct ReadOutcome {
    std::string_view bytes;       // in the scratch memory
    bool handshake_done = false;  // comes before the bytes
    bool again = false;           // there may be more to read now
    std::optional<Status> ended;  // comes after the bytes; OK: orderly
  };
  // One read from the socket.
  ReadOutcome ReadSome(Scratch* scratch);
  // What the kernel said: there are bytes, or the end of them.
  void MarkReadable(bool hang_up) { readable_ = true, hang_up_ |= hang_up; }
  bool readable() const { return readable_; }

  // Back-pressure is the loop's to keep; the connection only remembers.
  bool paused = false;
  std::string held;  // decrypted bytes that came while paused

  // ---- sending ----
  void Send(Chain bytes) { output_.Append(std::move(bytes)); }
  enum class FlushOutcome : uint8_t {
    kDrained,  // everything is with the kernel
    kBlocked,  // the socket takes no more now
    kBroken,
  };
  FlushOutcome Flush(Scratch* scratch);
  bool drained() const { return output_.empty() && ciphertext_left_.empty(); }
  size_t pending_bytes() const { return output_.pending_bytes() + ciphertext_left_.size(); }
  // Everything appended before `mark` (a value of output_mark() then) has left.
  uint64_t output_mark() const { return output_.appended_bytes(); }
  bool HasLeft(uint64_t mark) const { return output_.consumed_bytes() >= mark && ciphertext_left_.empty(); }

  // ---- STARTTLS, the end ----
  // Throws away what the peer sent in plaintext until now; TLS begins once everything is sent (RFC 3207 section 4.2).
  void BeginTlsAfterDrain(std::unique_ptr<TlsStream> tls, Scratch* scratch);
  // To be called when drained. OK: the handshake begins now, and there may be something to send; nullopt: none was
  // asked for.
  std::optional<Status> BeginTlsIfAsked(Scratch* scratch);
  bool tls_asked() const { return tls_next_ != nullptr; }
  // No more bytes are read for the core; ends once drained.
  void CloseAfterDrain() { phase_ = Phase::kClosing; }
  // To be called when drained in kClosing: says good-bye. True: the connection lingers until the peer's end, since what
  // the peer still sends would be answered with a reset that can overtake the last reply.
  bool FinishClosing(Scratch* scratch);
  // In kLingering: reads off; true: the peer has ended.
  bool ReadOff(Scratch* scratch);

  // ---- for the loop ----
  bool dirty = false;                  // is in the loop's list of connections to flush
  bool in_ready = false;               // is in the loop's list of connections to read from
  bool watches_output = false;         // epoll tells when the socket takes bytes again
  bool announced = false;              // the core knows it
  std::optional<uint64_t> drain_mark;  // AwaitDrain was asked for

 private:
  FlushOutcome FlushPlain();
  FlushOutcome FlushTls(Scratch* scratch);
  FlushOutcome SendCiphertext(std::string* ciphertext);
  ReadOutcome Decrypt(std::string_view ciphertext, Scratch* scratch);

  ConnId id_;
  host::UniqueFd fd_;
  Phase phase_ = Phase::kOpen;
  bool readable_ = false, hang_up_ = false;
  Peer peer_;
  std::unique_ptr<TlsStream> tls_;
  std::unique_ptr<TlsStream> tls_next_;  // begins when drained
  OutputQueue output_;
  std::string ciphertext_left_;  // records that the socket did not take yet
};

}  // namespace postern::net
