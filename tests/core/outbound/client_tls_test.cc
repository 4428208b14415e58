// Goal: TLS is had where it must be, and no password goes where it must not. Method: scripts of a server
// (client_fixture.h).
#include <gtest/gtest.h>

#include "core/base/base64.h"
#include "core/outbound/client.h"
#include "tests/core/outbound/client_fixture.h"

namespace postern::outbound {
namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view kOffersTls =
    "S: 220 mx.example.test ESMTP\n"
    "C: EHLO client.example.test\n"
    "S: 250-mx.example.test\n"
    "S: 250-8BITMIME\n"
    "S: 250 STARTTLS\n";
constexpr std::string_view kOffersNothing =
    "S: 220 mx.example.test ESMTP\n"
    "C: EHLO client.example.test\n"
    "S: 250-mx.example.test\n"
    "S: 250 8BITMIME\n";

std::string Script(std::string_view a, std::string_view b) { return std::string(a) + std::string(b); }

ClientSettings Tls(TlsUse use) {
  ClientSettings settings = TestSettings();
  settings.tls = use;
  settings.tls_server_name = "mx.example.test";
  return settings;
}

TEST(ClientTls, SpeaksAnewUnderTls) {
  Talk talk(Tls(TlsUse::kMay));
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kOffersTls,
                             "C: STARTTLS\n"
                             "S: 220 go on\n"
                             "tls\n"
                             "C: EHLO client.example.test\n"
                             "S: 250-mx.example.test\n"
                             "S: 250 STARTTLS\n"
                             "C: MAIL FROM:<sender@example.org>\n")),
            "");
  EXPECT_TRUE(talk.dialogue.tls());
  EXPECT_FALSE(talk.dialogue.features().eight_bit_mime);  // RFC 3207 section 4.2: what was said before is forgotten
}

// RFC 3207 section 6: what came in plaintext must not count as said under TLS.
TEST(ClientTls, ForgetsWhatCameBehindTheReply) {
  Talk talk(Tls(TlsUse::kMay));
  talk.Start(TestJob());
  talk.Play(Script(kOffersTls, "C: STARTTLS\n"));
  talk.Server("220 go on\r\n250-mx\r\n250 AUTH PLAIN\r\n250 O");
  EXPECT_EQ(talk.Play("tls\nC: EHLO client.example.test\nS: 250 mx\nC: MAIL FROM:<sender@example.org>\n"), "");
}

TEST(ClientTls, IsNotAskedForWhereItIsNotWanted) {
  Talk talk(Tls(TlsUse::kNone));
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kOffersTls, "C: MAIL FROM:<sender@example.org>\n")), "");
}

TEST(ClientTls, MayGoWithout) {
  Talk refused(Tls(TlsUse::kMay)), missing(Tls(TlsUse::kMay));
  refused.Start(TestJob());
  EXPECT_EQ(refused.Play(Script(kOffersTls, "C: STARTTLS\nS: 454 4.7.0 not now\nC: MAIL FROM:<sender@example.org>\n")),
            "");
  missing.Start(TestJob());
  EXPECT_EQ(missing.Play(Script(kOffersNothing, "C: MAIL FROM:<sender@example.org>\n")), "");
}

TEST(ClientTls, MustNotGoWithout) {
  Talk refused(Tls(TlsUse::kMust)), missing(Tls(TlsUse::kMust)), old(Tls(TlsUse::kMust));
  refused.Start(TestJob());
  EXPECT_EQ(refused.Play(Script(kOffersTls, "C: STARTTLS\nS: 454 4.7.0 not now\nC: QUIT\n")), "");
  EXPECT_EQ(Told(refused),
            Lines{"0 deferred 4.7.0 tls: TLS is required, but host mx.example.test[192.0.2.1] refused to start "
                  "TLS: 454 4.7.0 not now"});
  missing.Start(TestJob());
  EXPECT_EQ(missing.Play(Script(kOffersNothing, "C: QUIT\n")), "");
  EXPECT_EQ(Told(missing),
            Lines{"0 deferred 4.7.4 tls: TLS is required, but was not offered by host mx.example.test[192.0.2.1]"});
  old.Start(TestJob());
  EXPECT_EQ(
      old.Play(
          "S: 220 old\nC: EHLO client.example.test\nS: 500 what\nC: HELO client.example.test\nS: 250 old\nC: QUIT\n"),
      "");
  EXPECT_EQ(old.done[0].status, "4.7.4");
}

TEST(ClientTls, NoMailGoesWhereTheCertificateIsNotAcceptable) {
  Talk talk(Tls(TlsUse::kMust));
  talk.acceptable = false;
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kOffersTls, "C: STARTTLS\nS: 220 go on\ntls\nC: QUIT\n")), "");
  EXPECT_EQ(Told(talk), Lines{"0 deferred 4.7.5 tls: Server certificate not verified"});
}

TEST(ClientTls, BrokenHandshakesMayBeRetriedInPlaintextLaterOn) {
  for (const bool waited : {false, true}) {
    for (const TlsUse use : {TlsUse::kMay, TlsUse::kMust}) {
      for (const bool login : {false, true}) {
        ClientSettings settings = Tls(use);
        settings.sasl.enabled = login;
        settings.sasl.user = "u";
        Talk talk(settings);
        Job job = TestJob();
        job.plaintext_fallback = waited;
        talk.Start(job);
        EXPECT_EQ(talk.Play(Script(kOffersTls, "C: STARTTLS\nS: 220 go on\nno tls\n")), "");
        EXPECT_EQ(Told(talk), Lines{"0 deferred 4.7.5 tls: Cannot start TLS: handshake failure"});
        EXPECT_EQ(talk.done[0].retry_in_plaintext, waited && use == TlsUse::kMay && !login);
        EXPECT_EQ(talk.done[0].blames_host, use == TlsUse::kMust);
      }
    }
  }
}

TEST(ClientTls, WrappedFromTheStart) {
  ClientSettings settings = Tls(TlsUse::kMust);
  settings.tls_wrappermode = true;
  Talk talk(settings);
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play("tls\nS: 220 mx ESMTP\nC: EHLO client.example.test\nS: 250-mx\nS: 250 STARTTLS\nC: MAIL "
                      "FROM:<sender@example.org>\n"),
            "");
}

// ---- AUTH ---------------------------------------------------------------------------------------------------------

ClientSettings Login(TlsUse use = TlsUse::kNone) {
  ClientSettings settings = Tls(use);
  settings.sasl.enabled = true;
  settings.sasl.user = "user";
  settings.sasl.password = Secret(std::string_view("pencil"));
  return settings;
}
constexpr std::string_view kOffersAuth =
    "S: 220 mx.example.test ESMTP\n"
    "C: EHLO client.example.test\n"
    "S: 250-mx.example.test\n"
    "S: 250-8BITMIME\n"
    "S: 250 AUTH LOGIN PLAIN\n";

TEST(ClientAuth, APasswordIsNotShownToEverybody) {
  Talk talk(Login());
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kOffersAuth, "C: QUIT\n")), "");
  EXPECT_EQ(Told(talk), Lines{"0 deferred 4.7.0 auth: SASL authentication failed; cannot authenticate to server "
                              "mx.example.test[192.0.2.1]: no mechanism available"});
  ClientSettings settings = Login();
  settings.sasl.security = kNoAnonymous;
  Talk shown(settings);
  shown.Start(TestJob());
  EXPECT_EQ(shown.Play(Script(kOffersAuth,
                              "C: AUTH PLAIN AHVzZXIAcGVuY2ls\nS: 235 2.7.0 in\nC: MAIL FROM:<sender@example.org>\n")),
            "");
  EXPECT_EQ(shown.secrets, Lines{"AUTH PLAIN AHVzZXIAcGVuY2ls\r\n"});
}

// Each kind of connection has security options of its own.
TEST(ClientAuth, OptionsFollowTheConnection) {
  for (const bool matched : {false, true}) {
    ClientSettings settings = Login(TlsUse::kMay);
    (matched ? settings.sasl.tls_verified_security : settings.sasl.tls_security) = kNoAnonymous;
    Talk talk(settings);
    talk.matched = matched;
    talk.Start(TestJob());
    EXPECT_EQ(
        talk.Play(
            "S: 220 mx ESMTP\nC: EHLO client.example.test\nS: 250-mx\nS: 250-AUTH PLAIN\nS: 250 STARTTLS\nC: STARTTLS\n"
            "S: 220 go on\ntls\nC: EHLO client.example.test\nS: 250-mx\nS: 250 AUTH PLAIN\n"
            "C: AUTH PLAIN AHVzZXIAcGVuY2ls\n"),
        "");
  }
}

TEST(ClientAuth, StrangersDontLogIn) {
  ClientSettings settings = Login();
  settings.sasl.user.clear();
  Talk talk(settings);
  talk.Start(TestJob());
  EXPECT_EQ(talk.Play(Script(kOffersAuth, "C: MAIL FROM:<sender@example.org>\n")), "");
}

TEST(ClientAuth, FiltersMechanisms) {
  EXPECT_EQ(FilterMechanisms({"PLAIN", "LOGIN", "CRAM-MD5"}, {"!plain", "login", "PLAIN"}), Lines{"LOGIN"});
  EXPECT_EQ(FilterMechanisms({"PLAIN"}, {}), Lines{"PLAIN"});
  EXPECT_EQ(ChooseClientMechanism({"PLAIN", "SCRAM-SHA-256", "CRAM-MD5"}, kNoAnonymous), "SCRAM-SHA-256");
  EXPECT_EQ(ChooseClientMechanism({"plain", "cram-md5"}, kNoPlaintext), "CRAM-MD5");
  EXPECT_EQ(ChooseClientMechanism({"PLAIN", "CRAM-MD5"}, kMutualAuth), "");
  EXPECT_EQ(ParseSaslSecurity("noplaintext, NoAnonymous"), kNoPlaintext | kNoAnonymous);
  EXPECT_EQ(ParseSaslSecurity(""), 0);
  EXPECT_FALSE(ParseSaslSecurity("noplaintxt"));
}

// RFC 4954 section 4: a response that does not fit behind AUTH answers the empty challenge.
TEST(ClientAuth, LongResponsesComeOnTheirOwnLine) {
  ClientSettings settings = Login();
  settings.sasl.security = kNoAnonymous;
  settings.sasl.user.assign(500, 'u');
  Talk talk(settings);
  talk.Start(TestJob());
  const std::string response =
      EncodeBase64(std::string(1, '\0') + settings.sasl.user + std::string(1, '\0') + "pencil");
  EXPECT_EQ(talk.Play(Script(kOffersAuth, "C: AUTH PLAIN\nS: 334 \nC: " + response +
                                              "\nS: 235 in\nC: MAIL FROM:<sender@example.org>\n")),
            "");
}

// A server that says yes to SCRAM without its signature need not know the password.
TEST(ClientAuth, AServerMustProveItself) {
  Talk talk(Login());
  talk.Start(TestJob());
  talk.Play("S: 220 mx ESMTP\nC: EHLO client.example.test\nS: 250-mx\nS: 250 AUTH SCRAM-SHA-256\n", false);
  ASSERT_TRUE(talk.sent.starts_with("AUTH SCRAM-SHA-256 ")) << talk.sent;
  talk.sent.clear();
  EXPECT_EQ(talk.Play("S: 235 2.7.0 in\nC: QUIT\n"), "");
  EXPECT_EQ(talk.done[0].text,
            "SASL authentication failed; server mx.example.test[192.0.2.1] did not prove that it knows the password");
}

TEST(ClientAuth, NonsenseEndsIt) {
  for (const char* reply : {"334 not base64!", "334 cj1hLHM9YixpPTE=", "334"}) {
    Talk talk(Login());
    talk.Start(TestJob());
    talk.Play("S: 220 mx ESMTP\nC: EHLO client.example.test\nS: 250-mx\nS: 250 AUTH SCRAM-SHA-256\n", false);
    talk.sent.clear();
    EXPECT_EQ(talk.Play(std::string("S: ") + reply + "\nC: QUIT\n"), "") << reply;
    ASSERT_EQ(talk.done.size(), 1u);
    EXPECT_EQ(talk.done[0].status, "4.7.0");
  }
}

}  // namespace
}  // namespace postern::outbound
