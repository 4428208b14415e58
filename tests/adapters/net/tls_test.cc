// TLS through the loop with a real OpenSSL client: implicit TLS and STARTTLS, resumption on any loop, what is refused,
// what happens to certificates that change and clients that cheat.
#include <gtest/gtest.h>

#include "tests/adapters/loop/harness.h"

namespace postern::net {
namespace {

using testing::Client;
using testing::Harness;
using testing::Mailbox;

// Echoes; "starttls\n" is answered with "go\n" and TLS, as a protocol's own command would be.
class TlsEcho {
 public:
  Mailbox<TlsFacts> facts;
  Mailbox<std::string> received;
  Mailbox<Status> ends;

  testing::Toy toy() {
    return [this](ShardId, Now, const Event& e, Effects& out) {
      if (const auto* accepted = std::get_if<Accepted>(&e)) {
        conns_.push_back(accepted->conn);
        if (accepted->tls.active()) facts.Put(accepted->tls);
        out.SendText(accepted->conn, "hello\n");
      }
      if (const auto* ready = std::get_if<TlsReady>(&e)) facts.Put(ready->facts);
      if (const auto* bytes = std::get_if<Received>(&e)) {
        received.Put(std::string(bytes->bytes));
        if (bytes->bytes.starts_with("starttls\n")) {
          out.SendText(bytes->conn, "go\n");
          out.Put(StartTls{bytes->conn});
        } else if (bytes->bytes == "quit\n") {
          out.SendText(bytes->conn, "bye\n");
          out.Put(Close{.conn = bytes->conn});
        } else {
          out.SendText(bytes->conn, bytes->bytes);
        }
      }
      if (const auto* closed = std::get_if<PeerClosed>(&e)) ends.Put(closed->why);
      if (std::holds_alternative<Shutdown>(e)) {
        for (const ConnId conn : conns_) out.Put(Close{.conn = conn, .kind = CloseKind::kNow});
      }
    };
  }

 private:
  std::vector<ConnId> conns_;
};

class TlsTest : public ::testing::Test {
 protected:
  void Begin(bool implicit, config::TlsContext settings = testing::MakeTlsSettings("one.example"),
             std::function<void(loop::ShardLoop::Options*)> adjust = {}) {
    harness_ = std::make_unique<Harness>(echo_.toy(), 1, std::move(adjust));
    at_ = harness_->AddListener(implicit);
    harness_->UseTls(settings);
    harness_->Start();
  }

  TlsEcho echo_;
  std::unique_ptr<Harness> harness_;
  Endpoint at_;
};

TEST_F(TlsTest, ImplicitTlsTellsItsFacts) {
  Begin(true);
  Client client(at_);
  ASSERT_TRUE(client.StartTls({.server_name = "Mail.Example.Org"}));
  EXPECT_EQ(client.ReceiveLine(), "hello\n");
  const auto facts = echo_.facts.Take();
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->protocol, "TLSv1.3");
  EXPECT_EQ(facts->cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(facts->secret_bits, 256);
  EXPECT_EQ(facts->algorithm_bits, 256);
  EXPECT_EQ(facts->details, "key-exchange X25519 server-signature ECDSA (prime256v1) server-digest SHA256");
  EXPECT_EQ(facts->server_name, "mail.example.org");
  EXPECT_FALSE(facts->resumed);
  client.Send("abc\n");
  EXPECT_EQ(client.ReceiveLine(), "abc\n");
  client.Send("quit\n");
  EXPECT_EQ(client.ReceiveLine(), "bye\n");
  EXPECT_TRUE(client.AtEnd());  // with close_notify
}

TEST_F(TlsTest, Tls12HasForwardSecrecy) {
  Begin(true);
  Client client(at_);
  ASSERT_TRUE(client.StartTls({.version_max = TLS1_2_VERSION}));
  EXPECT_EQ(client.ReceiveLine(), "hello\n");
  const auto facts = echo_.facts.Take();
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->protocol, "TLSv1.2");
  EXPECT_TRUE(facts->cipher.starts_with("ECDHE-ECDSA-AES")) << facts->cipher;
}

TEST_F(TlsTest, OldProtocolsAndStrangersAreRefused) {
  Begin(true);
  Client old(at_);
  EXPECT_FALSE(old.StartTls({.version_max = TLS1_1_VERSION}));
  Client stranger(at_);
  stranger.Send("EHLO this is no TLS\r\n");
  // An alert at most, then the end: the core never heard of either.
  EXPECT_LT(stranger.Receive(100).size(), 10u);
  Client good(at_);
  ASSERT_TRUE(good.StartTls());
  EXPECT_EQ(good.ReceiveLine(), "hello\n");
  EXPECT_EQ(harness_->shared().last_conn, 3u);
}

TEST_F(TlsTest, HandshakesDoNotTakeForever) {
  Begin(true, testing::MakeTlsSettings("one.example"),
        [](loop::ShardLoop::Options* options) { options->handshake_patience = Milliseconds(30); });
  Client silent(at_);
  EXPECT_TRUE(silent.AtEnd());
}

TEST_F(TlsTest, StartTlsGoesOnEncrypted) {
  Begin(false);
  Client client(at_);
  EXPECT_EQ(client.ReceiveLine(), "hello\n");
  client.Send("plain\n");
  EXPECT_EQ(client.ReceiveLine(), "plain\n");
  client.Send("starttls\n");
  EXPECT_EQ(client.ReceiveLine(), "go\n");
  ASSERT_TRUE(client.StartTls());
  EXPECT_EQ(echo_.facts.Take().value_or(TlsFacts{}).protocol, "TLSv1.3");
  client.Send("secret\n");
  EXPECT_EQ(client.ReceiveLine(), "secret\n");
}

TEST_F(TlsTest, StartTlsFailsOnPlaintextAndTellsTheCore) {
  Begin(false);
  Client client(at_);
  client.Send("starttls\n");
  EXPECT_EQ(client.ReceiveLine(), "hello\n");
  EXPECT_EQ(client.ReceiveLine(), "go\n");
  client.Send("MAIL FROM:<injected@example>\r\n");
  const auto end = echo_.ends.Take();
  ASSERT_TRUE(end.has_value());
  EXPECT_FALSE(end->ok());
  EXPECT_EQ(echo_.received.Take(), "starttls\n");
}

// RFC 3207 section 4.2: bytes that came in plaintext behind the command never reach the core, also where they came
// later than the command but before the answer to it.
TEST_F(TlsTest, InjectedPlaintextIsThrownAway) {
  Begin(false);
  std::string injected(200'000, 'x');  // more than one read
  Client client(at_);
  EXPECT_EQ(client.ReceiveLine(), "hello\n");
  client.Send("starttls\n" + injected);
  EXPECT_EQ(client.ReceiveLine(), "go\n");
  const bool encrypted = client.StartTls();
  if (encrypted) {
    client.Send("after\n");
    client.ReceiveLine();
  }
  harness_->StopAndJoin();
  std::string all = echo_.received.Take().value_or("");
  EXPECT_TRUE(all.starts_with("starttls\n"));  // the step's own bytes are the core's to throw away
  if (encrypted) {
    EXPECT_EQ(echo_.received.Take(), "after\n");
  }
}

TEST_F(TlsTest, SessionsResumeAlsoAfterAKeyRotation) {
  Begin(true);
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    Client first(at_);
    ASSERT_TRUE(first.StartTls({.version_max = version}));
    first.Send("x\n");
    EXPECT_EQ(first.ReceiveLine(), "hello\n");
    EXPECT_EQ(first.ReceiveLine(), "x\n");
    EXPECT_FALSE(echo_.facts.Take()->resumed);
    for (int rotation = 0; rotation < 3; ++rotation) {
      Client again(at_);
      ASSERT_TRUE(again.StartTls({.session = first.Session(), .version_max = version}));
      again.ReceiveLine();
      // Two rotations later nobody has the key any more.
      EXPECT_EQ(echo_.facts.Take()->resumed, rotation < 2) << version << " " << rotation;
      harness_->keys().Rotate();
    }
  }
}

TEST_F(TlsTest, ANewCertificateLeavesSessionsAlone) {
  Begin(true);
  Client before(at_);
  ASSERT_TRUE(before.StartTls());
  EXPECT_EQ(before.PeerName(), "one.example");
  EXPECT_EQ(before.ReceiveLine(), "hello\n");
  harness_->UseTls(testing::MakeTlsSettings("two.example"));
  before.Send("still\n");
  EXPECT_EQ(before.ReceiveLine(), "still\n");
  Client after(at_);
  ASSERT_TRUE(after.StartTls());
  EXPECT_EQ(after.PeerName(), "two.example");
  EXPECT_EQ(after.ReceiveLine(), "hello\n");
}

TEST_F(TlsTest, MovesMegabytesBothWays) {
  Begin(true);
  Client client(at_);
  ASSERT_TRUE(client.StartTls());
  EXPECT_EQ(client.ReceiveLine(), "hello\n");
  std::string text;
  while (text.size() < 4'000'000) text += std::to_string(text.size()) + "\n";
  std::string back;
  for (size_t at = 0; at < text.size(); at += 50'000) {
    const std::string piece = text.substr(at, 50'000);
    ASSERT_TRUE(client.Send(piece));
    back += client.Receive(piece.size());
  }
  EXPECT_TRUE(back == text);
}

// Everything at once: the server's output waits for a client that does not read yet.
TEST_F(TlsTest, OutputWaitsForASlowReader) {
  Begin(true);
  Client client(at_);
  ASSERT_TRUE(client.StartTls());
  EXPECT_EQ(client.ReceiveLine(), "hello\n");
  std::string text;
  while (text.size() < 8'000'000) text += std::to_string(text.size()) + "\n";
  ASSERT_TRUE(client.Send(text));
  EXPECT_TRUE(client.Receive(text.size()) == text);
}

TEST_F(TlsTest, AConnectionMovesWithItsTls) {
  Mailbox<TlsFacts> facts;
  harness_ = std::make_unique<Harness>(
      [&](ShardId id, Now, const Event& e, Effects& out) {
        if (const auto* received = std::get_if<Received>(&e)) {
          if (id == ShardId{0}) {
            out.SendText(received->conn, "moving\n");
            out.Put(Handoff{.conn = received->conn, .to = ShardId{1}, .unread = std::string(received->bytes)});
          } else {
            out.SendText(received->conn, received->bytes);
          }
        }
        if (const auto* adopted = std::get_if<Adopted>(&e)) {
          facts.Put(adopted->tls);
          out.SendText(adopted->conn, "adopted " + adopted->unread);
        }
      },
      2);
  at_ = harness_->AddListener(true);
  harness_->UseTls(testing::MakeTlsSettings("one.example"));
  harness_->Start();
  Client client(at_);
  ASSERT_TRUE(client.StartTls());
  client.Send("login\n");
  std::string first = client.ReceiveLine();
  if (first == "moving\n") {  // accepted by loop 0; on loop 1 it is just echoed
    EXPECT_EQ(client.ReceiveLine(), "adopted login\n");
    EXPECT_EQ(facts.Take().value_or(TlsFacts{}).protocol, "TLSv1.3");
  }
  for (int i = 0; i < 10; ++i) {
    client.Send("more\n");
    EXPECT_EQ(client.ReceiveLine(), "more\n");
  }
}

TEST(TlsServerTest, SaysWhatIsWrongWithACertificate) {
  TicketKeys keys;
  const auto message = [&](const config::TlsContext& settings) {
    return std::string(Message(TlsServer::Make(settings, &keys).status()));
  };
  const config::TlsContext good = testing::MakeTlsSettings("one.example"),
                           other = testing::MakeTlsSettings("two.example");
  EXPECT_EQ(message(good), "");
  config::TlsContext bad = good;
  bad.key_pem = other.key_pem;
  EXPECT_NE(message(bad).find("/key.pem"), std::string::npos) << message(bad);
  bad = good;
  bad.certificate_pem = "nonsense";
  EXPECT_NE(message(bad).find("/cert.pem"), std::string::npos) << message(bad);
  bad = good;
  bad.ciphers = "NO-SUCH-CIPHER";
  EXPECT_NE(message(bad).find("cipher"), std::string::npos) << message(bad);
  config::TlsContext together = good;  // certificate and key in one file
  together.certificate_pem += good.key_pem;
  together.key_pem.clear();
  EXPECT_EQ(message(together), "");
}

}  // namespace
}  // namespace postern::net
