// Goal: the login that smtp(8) of Postfix 3.7 finds. Method: a table with a row for each kind of key; the same table
// and keys were tried with a real smtp(8) against a server that tells the name it is given (see SASL_README's order).
#include "core/outbound/sasl_passwords.h"

#include <gtest/gtest.h>

#include "tests/core/outbound/outbound_fixture.h"

namespace postern::outbound {
namespace {

config::Config WithPasswords() {
  config::Config config = TestConfig();
  config.smtp_client.sasl.enabled = config.lmtp_client.sasl.enabled = true;
  config.smtp_client.sasl.password_maps = config.lmtp_client.sasl.password_maps = routing::Tables(
      "boss@example.test boss:secret1\n@sales.example sales:secret2\npostbox bare:secret3\nmx.hub.example "
      "host:secret4\n"
      "[hub.example]:587 site:se:cret5\nhub.example domain:secret6\nnopass.example lonely\nempty.example :\n");
  config.smtp_client.sasl.sender_dependent = config.lmtp_client.sasl.sender_dependent = true;
  return config;
}
std::string Login(const SaslPeer& peer, std::string_view sender, const config::Config& config) {
  const auto mailbox = routing::ParseMailbox(sender);
  const auto login = FindSaslLogin(peer, sender.empty() ? nullptr : &*mailbox, config);
  return login ? login->user + "/" + std::string(login->password.Reveal()) : "none";
}

const SaslPeer kPeer{.host = "mx.hub.example", .destination = "[hub.example]:587"};
const SaslPeer kOther{.host = "other.example", .destination = "[hub.example]:587"};

TEST(FindSaslLogin, AsksForTheSenderFirst) {
  const config::Config config = WithPasswords();
  EXPECT_EQ(Login(kPeer, "boss@example.test", config), "boss/secret1");
  EXPECT_EQ(Login(kPeer, "boss+lists@example.test", config), "boss/secret1");
  EXPECT_EQ(Login(kPeer, "BOSS@Example.test", config), "boss/secret1");
  EXPECT_EQ(Login(kPeer, "anyone@sales.example", config), "sales/secret2");
  EXPECT_EQ(Login(kPeer, "postbox@example.test", config), "bare/secret3");  // myorigin
  EXPECT_EQ(Login(kPeer, "postbox@far.example", config), "host/secret4");
  EXPECT_EQ(Login(kPeer, "", config), "host/secret4");
}

TEST(FindSaslLogin, AsksForTheHostThenTheDestination) {
  config::Config config = WithPasswords();
  EXPECT_EQ(Login(kPeer, "x@far.example", config), "host/secret4");
  EXPECT_EQ(Login(kOther, "x@far.example", config), "site/se:cret5");  // the first colon parts
  EXPECT_EQ(Login({.host = "other.example", .destination = "hub.example"}, "x@far.example", config), "domain/secret6");
  EXPECT_EQ(Login({.host = "other.example", .destination = "[hub.example]"}, "x@far.example", config), "none");
  EXPECT_EQ(Login({.host = "nopass.example", .destination = "x"}, "", config), "lonely/");
  EXPECT_EQ(Login({.host = "empty.example", .destination = "x"}, "", config), "/");
  config.smtp_client.sasl.sender_dependent = false;
  EXPECT_EQ(Login(kPeer, "boss@example.test", config), "host/secret4");
  config.smtp_client.sasl.enabled = false;
  EXPECT_EQ(Login(kPeer, "boss@example.test", config), "none");
}

TEST(FindSaslLogin, KnowsNoSendersForLmtp) {
  const config::Config config = WithPasswords();
  SaslPeer peer = kPeer;
  peer.lmtp = true;
  EXPECT_EQ(Login(peer, "boss@example.test", config), "host/secret4");
}

TEST(LoginScope, SeparatesSendersWithLoginsOfTheirOwn) {
  const config::Config config = WithPasswords();
  const auto scope = [&](std::string_view sender) {
    const auto mailbox = routing::ParseMailbox(sender);
    return LoginScope(kPeer, sender.empty() ? nullptr : &*mailbox, config);
  };
  EXPECT_EQ(scope("Boss@Example.test"), "boss@example.test");
  EXPECT_EQ(scope("x@sales.example"), "x@sales.example");
  EXPECT_EQ(scope("x@far.example"), "");
  EXPECT_EQ(scope(""), "");
}

}  // namespace
}  // namespace postern::outbound
