// Loops with toy machines, driven through real sockets on the loopback interface. No sleeps: every wait has a deadline.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "adapters/loop/shard_loop.h"
#include "adapters/net/address.h"
#include "tests/adapters/files/temp_dir.h"
#include "tests/adapters/net/certificate.h"

namespace postern::testing {

// A blocking client.
class Client {
 public:
  explicit Client(const Endpoint& to) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 10};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_storage address{};
    const socklen_t length = net::ToSocketAddress(to, &address);
    connected_ = connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0;
  }
  ~Client() {
    if (ssl_ != nullptr) {
      SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // else its session counts as broken
      SSL_free(ssl_);
    }
    if (context_ != nullptr) SSL_CTX_free(context_);
    if (session_ != nullptr) SSL_SESSION_free(session_);
  }

  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }

  struct TlsOptions {
    std::string server_name;
    SSL_SESSION* session = nullptr;
    int version_max = 0;
  };
  bool StartTls(const TlsOptions& options) {
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_cipher_list(context_, "ALL:@SECLEVEL=0");
    if (options.version_max != 0) SSL_CTX_set_max_proto_version(context_, options.version_max);
    ssl_ = SSL_new(context_);
    if (!options.server_name.empty()) SSL_set_tlsext_host_name(ssl_, options.server_name.c_str());
    if (options.session != nullptr) SSL_set_session(ssl_, options.session);
    SSL_set_fd(ssl_, fd_.get());
    return Retry([this] { return SSL_connect(ssl_); }) == 1;
  }
  bool StartTls() { return StartTls(TlsOptions{}); }
  SSL* ssl() { return ssl_; }
  // After bytes were read, so that a ticket has come.
  SSL_SESSION* Session() {
    if (session_ != nullptr) SSL_SESSION_free(session_);
    return session_ = SSL_get1_session(ssl_);
  }
  std::string PeerName() {
    X509* const certificate = SSL_get1_peer_certificate(ssl_);
    char name[256] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    X509_free(certificate);
    return name;
  }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ssl_ != nullptr
                               ? Retry([&] { return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())); })
                               : send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Ends with a reset.
  void Abort() {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    fd_.Reset();
  }
  void EndSending() { shutdown(fd_.get(), SHUT_WR); }
  // `count` bytes, fewer at the end of the stream or after ten seconds.
  std::string Receive(size_t count) {
    std::string all;
    while (all.size() < count) {
      char buffer[65536];
      const size_t wanted = std::min(sizeof buffer, count - all.size());
      const ssize_t got = ReadOnce(buffer, wanted);
      if (got <= 0) break;
      all.append(buffer, static_cast<size_t>(got));
    }
    return all;
  }
  std::string ReceiveLine() {
    std::string line;
    while (line.empty() || line.back() != '\n') {
      const std::string byte = Receive(1);
      if (byte.empty()) break;
      line += byte;
    }
    return line;
  }
  // The stream ends here, in order: not by a reset, not by the client's patience.
  bool AtEnd() {
    char byte = 0;
    const ssize_t got = ReadOnce(&byte, 1);
    if (ssl_ == nullptr) return got == 0;
    return got <= 0 && SSL_get_error(ssl_, static_cast<int>(got)) == SSL_ERROR_ZERO_RETURN;
  }

 private:
  // The end of an io_uring interrupts the thread that made it, and a socket call with a timeout is not begun anew.
  template <class Call>
  ssize_t Retry(Call call) {
    while (true) {
      errno = 0;
      const ssize_t result = call();
      if (result > 0 || errno != EINTR) return result;
    }
  }
  ssize_t ReadOnce(char* to, size_t count) {
    return Retry(
        [&] { return ssl_ != nullptr ? SSL_read(ssl_, to, static_cast<int>(count)) : recv(fd_.get(), to, count, 0); });
  }

  host::UniqueFd fd_;
  bool connected_ = false;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  SSL_SESSION* session_ = nullptr;
};

// What a test's machine does with an event; called on the loop's thread.
using Toy = std::function<void(ShardId, Now, const Event&, Effects&)>;

class Harness {
 public:
  explicit Harness(Toy toy, size_t loop_count = 1, std::function<void(loop::ShardLoop::Options*)> adjust = {})
      : root_(*host::Root::Open(dir_.path())) {
    signal(SIGPIPE, SIG_IGN);  // OpenSSL's client writes to sockets that the server closed
    for (size_t i = 0; i < loop_count; ++i) {
      const auto id = static_cast<ShardId>(i);
      loop::ShardLoop::Options options{
          .id = id,
          .step = [toy, id](Now now, const Event& event, Effects& out) { toy(id, now, event, out); },
          .root = &root_,
          .file_pool = &files_,
          .inquiries = &inquiries_,
          .shared = &shared_,
      };
      if (adjust) adjust(&options);
      loops_.push_back(std::make_unique<loop::ShardLoop>(std::move(options)));
    }
    std::vector<loop::ShardLoop*> all;
    for (const auto& each : loops_) all.push_back(each.get());
    for (const auto& each : loops_) each->SetPeers(all);
  }
  ~Harness() {
    StopAndJoin();
    EXPECT_TRUE(clean_) << "a connection or a plan did not end";
  }

  // Before Start(). Returns where it listens.
  Endpoint AddListener(bool implicit_tls = false) {
    const auto id = static_cast<ListenerId>(listeners_.size());
    listeners_.push_back(*net::Listen(id, {.address = *IpAddress::Parse("127.0.0.1")}, implicit_tls));
    return listeners_.back().endpoint;
  }
  void Start() {
    for (const auto& each : loops_) {
      each->SetListeners(&listeners_);
      threads_.emplace_back([this, loop = each.get()] {
        if (!loop->Run()) clean_ = false;
      });
    }
  }
  // One certificate for every listener.
  void UseTls(const config::TlsContext& settings) {
    const auto server = *net::TlsServer::Make(settings, &keys_);
    const auto table = std::make_shared<loop::TlsByListener>(listeners_.size(), server);
    for (const auto& each : loops_) each->Reconfigure(nullptr, table);
  }
  bool StopAndJoin() {
    for (const auto& each : loops_) each->Stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return clean_;
  }

  // The test meant it.
  void ForgetCut() { clean_ = true; }

  loop::ShardLoop& loop(size_t i) { return *loops_[i]; }
  loop::SharedState& shared() { return shared_; }
  net::TicketKeys& keys() { return keys_; }
  const std::string& folder() const { return dir_.path(); }

  // Verifies "{PLAIN}x" as x; names 127.0.0.1 "client.example".
  static StatusOr<bool> Verify(std::string_view stored, std::string_view password, std::string_view) {
    if (!stored.starts_with("{PLAIN}")) return InvalidArgument("unknown scheme");
    return stored.substr(7) == password;
  }

 private:
  TempDir dir_;
  host::Root root_;
  net::TicketKeys keys_;
  loop::SharedState shared_;
  std::vector<net::ListenSocket> listeners_;
  std::vector<std::unique_ptr<loop::ShardLoop>> loops_;
  workers::ThreadPool files_{"files", {.threads_max = 8, .waiting_max = 10'000}};
  workers::Inquiries inquiries_{
      &Harness::Verify, [](const IpAddress&) { return ClientName{.name = "client.example"}; }, {}};
  std::vector<std::thread> threads_;
  std::atomic<bool> clean_{true};
};

// Lets a test's thread wait for what a loop's thread saw.
template <class T>
class Mailbox {
 public:
  void Put(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    came_.notify_all();
  }
  // nullopt after ten seconds.
  std::optional<T> Take() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, std::chrono::seconds(10), [this] { return !values_.empty(); })) return std::nullopt;
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<T> values_;
};

}  // namespace postern::testing
