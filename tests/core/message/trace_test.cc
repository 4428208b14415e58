// Goal: trace fields look as Postfix 3.7 writes them. Method: fields that a real one wrote.
#include "core/message/trace.h"

#include <gtest/gtest.h>

namespace postern::message {
namespace {

std::string Received(const ReceivedFacts& facts) {
  std::string out;
  AppendReceived(facts, &out);
  return out;
}

ReceivedFacts Facts() {
  return {.helo = "client.example.org",
          .client_name = "localhost",
          .client_address = "127.0.0.1",
          .host = "mail.example.test",
          .id = "15245A74456",
          .recipient = "u2@example.test",
          .when = {.unix_seconds = 1'795'489'836}};
}

TEST(Trace, ReceivedOfAPlainSession) {
  EXPECT_EQ(Received(Facts()),
            "Received: from client.example.org (localhost [127.0.0.1])\r\n"
            "\tby mail.example.test (Postfix) with ESMTP id 15245A74456\r\n"
            "\tfor <u2@example.test>; Tue, 24 Nov 2026 03:10:36 +0000 (UTC)\r\n");
}

TEST(Trace, ReceivedWithTlsAndLogin) {
  ReceivedFacts facts = Facts();
  facts.client_address = "2001:db8::1";
  facts.tls = ReceivedTls{.protocol = "TLSv1.3",
                          .cipher = "TLS_AES_256_GCM_SHA384",
                          .used_bits = 256,
                          .algorithm_bits = 256,
                          .details = "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256"};
  facts.authenticated_sender = "u1)@x";
  facts.with_tls = facts.with_auth = true;
  facts.recipient.clear();
  facts.when.zone_minutes = 60;
  facts.zone_name = "CET";
  EXPECT_EQ(Received(facts),
            "Received: from client.example.org (localhost [IPv6:2001:db8::1])\r\n"
            "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
            "\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n"
            "\t(No client certificate requested)\r\n"
            "\t(Authenticated sender: u1?@x)\r\n"
            "\tby mail.example.test (Postfix) with ESMTPSA id 15245A74456; Tue, 24 Nov 2026 04:10:36 +0100 (CET)\r\n");
}

TEST(Trace, APeerCannotAddAField) {
  ReceivedFacts facts = Facts();
  facts.helo = "x\r\nBcc: y";
  EXPECT_EQ(Received(facts).find("\nBcc"), std::string::npos);
}

TEST(Trace, PathsAndLocalSubmission) {
  std::string out;
  AppendReturnPath("", &out);
  AppendReturnPath("a b@c", &out);
  AppendDeliveredTo("u@x", &out);
  AppendXOriginalTo("U@x", &out);
  EXPECT_EQ(out, "Return-Path: <>\r\nReturn-Path: <\"a b\"@c>\r\nDelivered-To: u@x\r\nX-Original-To: U@x\r\n");
  ReceivedFacts facts = Facts();
  facts.user_id = 1000;
  facts.recipient.clear();
  EXPECT_EQ(Received(facts),
            "Received: by mail.example.test (Postfix, from userid 1000)\r\n"
            "\tid 15245A74456; Tue, 24 Nov 2026 03:10:36 +0000 (UTC)\r\n");
}

}  // namespace
}  // namespace postern::message
