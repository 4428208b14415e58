#include "adapters/net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "adapters/net/certificate_facts.h"
#include "adapters/net/tls_details.h"
#include "core/base/ascii.h"

namespace postern::net {

// OpenSSL's way to the bytes: reads from and appends to what the stream was called with. Two memory BIOs would do the
// same with two more buffers and two more copies.
struct TlsBio {
  static TlsStream* StreamOf(BIO* bio) { return static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int Read(BIO* bio, char* to, int length) {
    TlsStream* const stream = StreamOf(bio);
    BIO_clear_retry_flags(bio);
    if (stream->in_.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const size_t count = std::min(static_cast<size_t>(length), stream->in_.size());
    std::memcpy(to, stream->in_.data(), count);
    stream->in_.remove_prefix(count);
    return static_cast<int>(count);
  }
  static int Write(BIO* bio, const char* from, int length) {
    StreamOf(bio)->out_->append(from, static_cast<size_t>(length));
    return length;
  }
  static long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
  static int Create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  static const BIO_METHOD* Method() {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern");
      BIO_meth_set_read(made, &Read);
      BIO_meth_set_write(made, &Write);
      BIO_meth_set_ctrl(made, &Control);
      BIO_meth_set_create(made, &Create);
      return made;
    }();
    return method;
  }
};

namespace {

constexpr size_t kRecordBytesMax = 16384;  // RFC 8446 section 5.1

std::string LowerWithoutDot(std::string_view name) {
  std::string lower = LowerCase(name);
  if (!lower.empty() && lower.back() == '.') lower.pop_back();
  return lower;
}

}  // namespace

TlsStream::TlsStream(const TlsServer& server) : ssl_(SSL_new(server.context())) {
  if (ssl_ == nullptr) return;
  Begin();
  SSL_set_accept_state(ssl_.get());
}

TlsStream::TlsStream(std::shared_ptr<const TlsClient> client, const std::string& server_name)
    : client_(std::move(client)), ssl_(SSL_new(client_->context())) {
  if (ssl_ == nullptr) return;
  Begin();
  SSL_set_connect_state(ssl_.get());
  // A name that is too long for the extension is not sent: it is nobody's.
  if (!server_name.empty() && SSL_set_tlsext_host_name(ssl_.get(), server_name.c_str()) != 1) ERR_clear_error();
}

void TlsStream::Begin() {
  BIO* const bio = BIO_new(TlsBio::Method());
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
}

TlsStream::Progress TlsStream::Receive(std::string_view ciphertext, char* plain, std::string* out) {
  Progress progress;
  if (ssl_ == nullptr) {
    progress.status = ResourceExhausted("no memory for TLS");
    return progress;
  }
  in_ = ciphertext;
  out_ = out;
  ERR_clear_error();
  if (!ready_) {
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) {
      progress.status = Failure("handshake", result);
      if (progress.status.ok() && !in_.empty()) progress.status = InvalidArgument("TLS handshake: bytes left over");
      return progress;
    }
    ready_ = progress.handshake_done = true;
  }
  const size_t room = ciphertext.size() + kPlainSlackBytes;
  while (true) {
    const size_t left = room - progress.plain_bytes;
    const int got = SSL_read(ssl_.get(), plain + progress.plain_bytes, static_cast<int>(left));
    if (got > 0) {
      progress.plain_bytes += static_cast<size_t>(got);
      continue;
    }
    progress.end = SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN;
    if (!progress.end) progress.status = Failure("read", got);
    break;
  }
  in_ = {};
  out_ = nullptr;
  return progress;
}

size_t TlsStream::Encrypt(std::string_view plain, std::string* out) {
  if (ssl_ == nullptr) return 0;
  out_ = out;
  ERR_clear_error();
  const int length = static_cast<int>(std::min(plain.size(), kRecordBytesMax));
  const int taken = SSL_write(ssl_.get(), plain.data(), length);
  out_ = nullptr;
  return static_cast<size_t>(std::max(taken, 0));
}

void TlsStream::Close(std::string* out) {
  if (ssl_ == nullptr || !ready_) return;
  out_ = out;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  out_ = nullptr;
}

Status TlsStream::Failure(const char* what, int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return OkStatus();
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return InvalidArgument(std::string("TLS ") + what + ": " + (reason == nullptr ? "failed" : reason));
}

std::shared_ptr<const CertificateFacts> TlsStream::Certificate() const {
  return is_client() && ready_ ? FactsOf(ssl_.get(), *client_) : nullptr;
}

TlsFacts TlsStream::Facts() const {
  TlsFacts facts;
  facts.protocol = SSL_get_version(ssl_.get());
  facts.cipher = SSL_get_cipher_name(ssl_.get());
  facts.secret_bits = SSL_get_cipher_bits(ssl_.get(), &facts.algorithm_bits);
  facts.details = TlsDetails(ssl_.get());
  if (const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name)) {
    facts.server_name = LowerWithoutDot(name);
  }
  facts.resumed = SSL_session_reused(ssl_.get()) == 1;
  return facts;
}

}  // namespace postern::net
