// TLS as a client through the loop, against our own server: what is told of certificates of every kind, and what fails.
#include <gtest/gtest.h>

#include <fstream>

#include "core/base/hash.h"
#include "tests/adapters/loop/harness.h"
#include "tests/adapters/net/test_ca.h"

namespace postern::net {
namespace {

using testing::CertificateWish;
using testing::Harness;
using testing::Issued;
using testing::Mailbox;

constexpr OpId kOp{.machine = MachineId{77}, .tag = 5};

// One loop is both: it connects to itself, the server greets with "go" and both begin TLS.
class TlsClientTest : public ::testing::Test {
 protected:
  struct Outcome {
    TlsFacts facts;
    std::shared_ptr<const CertificateFacts> certificate;
    Status failure;
    TlsFacts server_facts;
  };

  ClientTls Wanted() {
    return {.server_name = "mx.example",
            .versions = {false, false, true, true},
            .cipher_grade = "medium",
            .fingerprint_digest = "sha256",
            .ca_file = "/ca.pem"};
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(harness_->folder() + "/" + name) << text;
  }

  TlsClientTest() {
    harness_ = std::make_unique<Harness>([this](ShardId, Now, const Event& e, Effects& out) { OnEvent(e, out); });
    Write("ca.pem", root_.CertificatePem());
  }

  // A connection, TLS, "ping" and "pong" under it.
  Outcome Shake(const config::TlsContext& server, const ClientTls& wanted) {
    wanted_ = std::make_shared<ClientTls>(wanted);
    const bool first = at_ == Endpoint{};
    if (first) at_ = harness_->AddListener();
    if (first) harness_->Start();
    harness_->UseTls(server);
    return results_.Take().value_or(Outcome{.failure = InvalidArgument("nothing came")});
  }

  const Issued root_{{.common_name = "Root", .is_ca = true}, nullptr};
  const Issued middle_{{.common_name = "Middle", .is_ca = true}, &root_};
  const Issued leaf_{{.common_name = "mx.example",
                      .alternative_names = "DNS:mx.example,DNS:*.mail.example,IP:192.0.2.7,IP:2001:db8::7"},
                     &middle_};
  std::string greeting_ = "go\n";
  bool server_begins_tls_ = true;
  std::unique_ptr<Harness> harness_;

 private:
  void OnEvent(const Event& e, Effects& out) {
    if (std::holds_alternative<ConfigChanged>(e)) out.Put(Connect{.op = kOp, .to = at_});
    if (const auto* done = std::get_if<ConnectDone>(&e)) ours_ = done->conn;
    if (const auto* accepted = std::get_if<Accepted>(&e)) {
      out.SendText(accepted->conn, greeting_);
      if (server_begins_tls_) out.Put(StartTls{.conn = accepted->conn});
    }
    if (const auto* bytes = std::get_if<Received>(&e)) {
      if (bytes->conn != ours_) {
        out.SendText(bytes->conn, "pong\n");
      } else if (bytes->bytes.starts_with("go\n")) {
        out.Put(StartTls{.conn = ours_, .client = wanted_});
      } else {
        EXPECT_EQ(bytes->bytes, "pong\n");
        Finish(std::exchange(outcome_, {}), out);
      }
    }
    if (const auto* ready = std::get_if<TlsReady>(&e)) {
      if (ready->conn == ours_) {
        outcome_.facts = ready->facts;
        outcome_.certificate = ready->certificate;
        out.SendText(ours_, "ping\n");
      } else {
        EXPECT_EQ(ready->certificate, nullptr);
        outcome_.server_facts = ready->facts;
      }
    }
    if (const auto* closed = std::get_if<PeerClosed>(&e)) {
      if (closed->conn == ours_) Finish({.failure = closed->why}, out);
    }
  }
  void Finish(Outcome outcome, Effects& out) {
    out.Put(Close{.conn = ours_});
    ours_ = ConnId{};
    results_.Put(std::move(outcome));
  }

  Endpoint at_;
  std::shared_ptr<const ClientTls> wanted_;
  ConnId ours_{};
  Outcome outcome_;
  Mailbox<Outcome> results_;
};

TEST_F(TlsClientTest, AGoodCertificateIsTrustedAndTold) {
  const Outcome got = Shake(leaf_.Settings({&middle_}), Wanted());
  ASSERT_TRUE(got.failure.ok()) << Message(got.failure);
  EXPECT_EQ(got.facts.protocol, "TLSv1.3");
  EXPECT_FALSE(got.facts.resumed);
  EXPECT_EQ(got.server_facts.server_name, "mx.example");
  ASSERT_NE(got.certificate, nullptr);
  EXPECT_TRUE(got.certificate->chain_trusted);
  EXPECT_EQ(got.certificate->dns_names, (std::vector<std::string>{"mx.example", "*.mail.example"}));
  EXPECT_EQ(got.certificate->ip_addresses,
            (std::vector<IpAddress>{*IpAddress::Parse("192.0.2.7"), *IpAddress::Parse("2001:db8::7")}));
  EXPECT_EQ(got.certificate->common_name, "mx.example");
  EXPECT_EQ(got.certificate->certificate_digest, Digest(HashKind::kSha256, leaf_.CertificateDer()));
  EXPECT_EQ(got.certificate->key_digest, Digest(HashKind::kSha256, leaf_.PublicKeyDer()));
  EXPECT_TRUE(got.certificate->chain.empty());
}

TEST_F(TlsClientTest, WhatIsNotTrustedIsTold) {
  const Issued expired({.common_name = "mx.example", .from_seconds = -7200, .until_seconds = -3600}, &root_);
  const Issued early({.common_name = "mx.example", .from_seconds = 3600}, &root_);
  const Issued lonely({.common_name = "mx.example"}, nullptr);
  const Issued other_root({.common_name = "Root", .is_ca = true}, nullptr);
  const Issued strangers({.common_name = "mx.example"}, &other_root);
  const Issued no_ca({.common_name = "no CA"}, &root_);
  const Issued by_no_ca({.common_name = "mx.example"}, &no_ca);
  const auto trusted = [&](const config::TlsContext& server) -> std::string {
    const Outcome got = Shake(server, Wanted());
    if (got.certificate == nullptr) return std::string(Message(got.failure));
    EXPECT_EQ(got.certificate->common_name, "mx.example");
    return got.certificate->chain_trusted ? "yes" : "no";
  };
  EXPECT_EQ(trusted(expired.Settings()), "no");
  EXPECT_EQ(trusted(early.Settings()), "no");
  EXPECT_EQ(trusted(lonely.Settings()), "no");
  EXPECT_EQ(trusted(strangers.Settings({&other_root})), "no");
  EXPECT_EQ(trusted(by_no_ca.Settings({&no_ca})), "no");
  EXPECT_EQ(trusted(leaf_.Settings()), "no");  // its issuer was not sent
  EXPECT_EQ(trusted(leaf_.Settings({&middle_, &root_})), "yes");
}

TEST_F(TlsClientTest, AWrongNameIsToldAsItIs) {
  const Issued other({.common_name = "Other", .alternative_names = "DNS:other.example"}, &root_);
  const Outcome got = Shake(other.Settings(), Wanted());
  ASSERT_NE(got.certificate, nullptr);
  EXPECT_TRUE(got.certificate->chain_trusted);
  EXPECT_EQ(got.certificate->dns_names, std::vector<std::string>{"other.example"});
}

TEST_F(TlsClientTest, ANameWithANulIsNoName) {
  const Issued tricky({.common_name = "x", .raw_dns_name = std::string("mx.example\0.evil.example", 24)}, &root_);
  const Outcome got = Shake(tricky.Settings(), Wanted());
  ASSERT_NE(got.certificate, nullptr);
  EXPECT_EQ(got.certificate->dns_names, std::vector<std::string>{"plain.example"});
}

TEST_F(TlsClientTest, NobodyIsTrustedWithoutCas) {
  ClientTls wanted = Wanted();
  wanted.ca_file.clear();
  const Outcome got = Shake(leaf_.Settings({&middle_, &root_}), wanted);
  ASSERT_NE(got.certificate, nullptr);
  EXPECT_FALSE(got.certificate->chain_trusted);
}

TEST_F(TlsClientTest, TrustAnchorsReplaceTheCas) {
  Write("middle.pem", middle_.CertificatePem());
  Write("middle-key.pem", middle_.PublicKeyPem());
  Write("root-key.pem", root_.PublicKeyPem());
  Write("leaf-key.pem", leaf_.PublicKeyPem());
  const Issued other({.common_name = "mx.example"}, &root_);
  const auto trusted = [&](const std::string& anchor, const config::TlsContext& server) {
    ClientTls wanted = Wanted();
    wanted.trust_anchor_files = {anchor};
    const Outcome got = Shake(server, wanted);
    return got.certificate != nullptr && got.certificate->chain_trusted;
  };
  EXPECT_TRUE(trusted("/middle.pem", leaf_.Settings()));
  EXPECT_FALSE(trusted("/middle.pem", other.Settings()));  // of the root, which is not asked
  EXPECT_TRUE(trusted("/middle-key.pem", leaf_.Settings({&middle_})));
  EXPECT_TRUE(trusted("/middle-key.pem", leaf_.Settings()));
  EXPECT_TRUE(trusted("/root-key.pem", leaf_.Settings({&middle_})));
  EXPECT_FALSE(trusted("/root-key.pem", leaf_.Settings()));
  EXPECT_FALSE(trusted("/leaf-key.pem", leaf_.Settings({&middle_})));  // anchors are issuers
}

TEST_F(TlsClientTest, TheChainIsToldForDane) {
  const Issued impostor({.common_name = "Middle", .is_ca = true}, nullptr);
  ClientTls wanted = Wanted();
  wanted.wants_chain = true;
  wanted.ca_file.clear();
  const Outcome got = Shake(leaf_.Settings({&impostor, &root_, &middle_}), wanted);  // out of order, and one too many
  ASSERT_NE(got.certificate, nullptr);
  const auto& chain = got.certificate->chain;
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain[0].certificate, leaf_.CertificateDer());
  EXPECT_EQ(chain[1].certificate, middle_.CertificateDer());
  EXPECT_EQ(chain[2].certificate, root_.CertificateDer());
  EXPECT_EQ(chain[1].public_key, middle_.PublicKeyDer());
  EXPECT_TRUE(chain[1].would_anchor);
  EXPECT_TRUE(chain[2].would_anchor);
  EXPECT_FALSE(got.certificate->chain_trusted);
}

TEST_F(TlsClientTest, WhatCannotSignAnchorsNothing) {
  const Issued no_ca({.common_name = "no CA"}, &root_);
  const Issued by_no_ca({.common_name = "mx.example"}, &no_ca);
  const Issued expired({.common_name = "mx.example", .from_seconds = -7200, .until_seconds = -3600}, &middle_);
  ClientTls wanted = Wanted();
  wanted.wants_chain = true;
  for (const config::TlsContext& server : {by_no_ca.Settings({&no_ca, &root_}), expired.Settings({&middle_, &root_})}) {
    const Outcome got = Shake(server, wanted);
    ASSERT_NE(got.certificate, nullptr);
    ASSERT_EQ(got.certificate->chain.size(), 3u);
    EXPECT_FALSE(got.certificate->chain[1].would_anchor);
    EXPECT_FALSE(got.certificate->chain[2].would_anchor);
  }
}

TEST_F(TlsClientTest, VersionsAndCiphersAreThoseAskedFor) {
  ClientTls wanted = Wanted();
  wanted.versions = {false, false, true, false};
  EXPECT_EQ(Shake(leaf_.Settings(), wanted).facts.protocol, "TLSv1.2");
  wanted.exclude_ciphers = "AES256, AESCCM,CHACHA20";
  const Outcome got = Shake(leaf_.Settings(), wanted);
  EXPECT_EQ(got.facts.cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
  wanted.exclude_ciphers = "AES CHACHA20";  // nothing that the server knows is left
  EXPECT_EQ(Shake(leaf_.Settings(), wanted).failure.code(), StatusCode::kInvalidArgument);
  wanted = Wanted();
  wanted.versions = {true, true, false, false};  // our server is younger
  const Status failure = Shake(leaf_.Settings(), wanted).failure;
  EXPECT_TRUE(Message(failure).starts_with("TLS handshake: ")) << Message(failure);
}

TEST_F(TlsClientTest, FilesThatCannotBeUsedFailTheHandshake) {
  Write("empty.pem", "");
  Write("nonsense.pem", "nonsense\n");
  Write("leaf.pem", leaf_.CertificatePem());
  Write("other-key.pem", middle_.KeyPem());
  const auto failure = [&](auto adjust) {
    ClientTls wanted = Wanted();
    adjust(&wanted);
    const Outcome got = Shake(leaf_.Settings({&middle_}), wanted);
    EXPECT_EQ(got.certificate, nullptr);
    std::string text(Message(got.failure));
    if (const size_t at = text.find(harness_->folder()); at != std::string::npos)
      text.erase(at, harness_->folder().size());
    return text;
  };
  EXPECT_EQ(failure([](ClientTls* tls) { tls->ca_file = "/none.pem"; }),
            "CA certificates /none.pem: No such file or directory");
  EXPECT_EQ(failure([](ClientTls* tls) { tls->ca_path = "/none"; }),
            "CA certificates /none: No such file or directory");
  EXPECT_TRUE(failure([](ClientTls* tls) { tls->ca_file = "/empty.pem"; }).starts_with("CA certificates /empty.pem: "));
  EXPECT_EQ(failure([](ClientTls* tls) { tls->trust_anchor_files = {"/none.pem"}; }),
            "trust anchors /none.pem: No such file or directory");
  EXPECT_EQ(failure([](ClientTls* tls) { tls->trust_anchor_files = {"/nonsense.pem"}; }),
            "trust anchors /nonsense.pem: no certificate and no public key in it");
  EXPECT_EQ(failure([](ClientTls* tls) { tls->certificate_file = "/none.pem"; }),
            "certificate /none.pem: No such file or directory");
  EXPECT_EQ(failure([](ClientTls* tls) { tls->certificate_file = "/leaf.pem", tls->key_file = "/other-key.pem"; }),
            "private key /other-key.pem: key values mismatch");
  EXPECT_EQ(failure([](ClientTls* tls) { tls->fingerprint_digest = "sha0"; }),
            "fingerprint digest \"sha0\" is not known to OpenSSL");
  EXPECT_EQ(failure([](ClientTls* tls) { tls->versions = {}; }), "no version of TLS is allowed");
  EXPECT_EQ(failure([](ClientTls* tls) { tls->cipher_grade = "best"; }),
            "TLS cipher grade \"best\" is none of high, medium, low, export, null");
}

TEST_F(TlsClientTest, PlaintextBehindTheGreetingIsNoAnswer) {
  server_begins_tls_ = false;
  greeting_ = "go\npong\n";  // a man in the middle wants it to count under TLS
  const Outcome got = Shake(leaf_.Settings({&middle_}), Wanted());
  EXPECT_TRUE(got.facts.protocol.empty());
  EXPECT_TRUE(Message(got.failure).starts_with("TLS handshake: ")) << Message(got.failure);
}

TEST(TlsClientsTest, KeepsWhatItMadeForAWhile) {
  const host::Root root = *host::Root::Open("");
  TlsClients clients(&root);
  ClientTls wanted{.server_name = "a.example",
                   .versions = {true, true, true, true},
                   .cipher_grade = "high",
                   .fingerprint_digest = "sha256"};
  const auto first = *clients.Get(wanted, Instant{});
  wanted.server_name = "b.example";
  EXPECT_EQ(*clients.Get(wanted, Instant{} + Seconds(599)), first);
  EXPECT_NE(*clients.Get(wanted, Instant{} + Seconds(600)), first);
  for (int i = 0; i < 200; ++i) {
    wanted.exclude_ciphers = "X" + std::to_string(i);
    ASSERT_TRUE(clients.Get(wanted, Instant{}).ok());
    ASSERT_LE(clients.size(), 64u);
  }
}

}  // namespace
}  // namespace postern::net
